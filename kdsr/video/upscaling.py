"""Both passes over a film: an IDR for each frame, then larger frames."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..atomic import writing
from ..errors import IDRError, VideoError
from ..estimation import estimate, visible
from ..estimation.maps import smooth
from ..formats import MP4
from ..idr import IDR
from ..meaning.references import with_strength
from ..network.models import Student
from ..options import (
    DEFAULT_TILING,
    LOCKED,
    PER_FRAME,
    UNWATCHED,
    Job,
    ProgressFn,
    Size,
    Tiling,
    VideoOptions,
)
from ..upscaling.sizes import OutputSize
from ..upscaling.upscaler import Upscaler
from .encoding import VideoEncoder, choose
from .film import Facts, Film, Frame, Reading
from .writing import VideoWriter

_BLOCK = 60  # IDRs; each by itself pins the memory around it (measured on glibc: 35 KB a frame)


def needs_first_pass(idr: IDR | None, options: VideoOptions) -> bool:
    """Whether all frames are estimated before the first is upscaled.

    Raises:
        IDRError: If several IDRs were given for all frames.
    """
    if idr is not None and len(idr) != 1:
        raise IDRError(
            f"got {len(idr)} IDRs for the frames of a video; give one for all (in ComfyUI Estimate "
            "IDR with mode one for the batch, else `kdsr estimate --mean`), or none"
        )
    return idr is None and options.mode != PER_FRAME


def estimate_frame(
    model: Student, frame: Frame, tiling: Tiling = DEFAULT_TILING, job: Job = UNWATCHED
) -> IDR:
    """The IDR of what can be seen of one frame."""
    return estimate(model, frame.lq, mask=visible(frame.alpha), tiling=tiling, job=job)


def collected(idrs: Iterable[IDR]) -> IDR | None:
    """IDRs, one for each frame, in one block of memory; or None."""
    coming, blocks = iter(idrs), []
    while block := list(islice(coming, _BLOCK)):
        blocks.append(IDR.cat(block))
    return IDR.cat(blocks) if blocks else None


def combined(idr: IDR, options: VideoOptions) -> IDR:
    """Combines the IDRs of all frames: one for all, or one for each, smoothed."""
    if options.mode == LOCKED:
        return idr.mean()
    return smooth(idr, options.smoothing, options.scene_cut)


def frames_of(reading: Iterable[object]) -> Iterator[Frame]:
    """The pictures alone."""
    return (item for item in reading if isinstance(item, Frame))


NO_FRAMES = "the video has no frames in the part that was asked for"
_FINENESS = 100  # steps of progress a frame

FrameFn = Callable[[Tensor], None]
"""Called with each finished frame, (H, W, 3) in [0, 1] or uint8."""


@dataclass(frozen=True)
class FrameUpscaler:
    """Makes the frames of a result, one by one."""

    model: Student
    """Model, on the device to run on."""
    size: tuple[int, int]
    """(height, width) of the result."""
    idr: IDR | None
    """One IDR for all frames, one for each in order, or None for each frame's own."""
    strength: float = 1.0
    """Strength of restoration, applied to each frame's IDR; see `kdsr.meaning.references`."""
    deep: bool = False
    """Whether results are floats in [0, 1], not uint8."""
    transparent: bool = False
    """Whether opacity is kept; otherwise the background is white."""
    tiling: Tiling = DEFAULT_TILING

    def __call__(self, frame: Frame, index: int, job: Job = UNWATCHED) -> Tensor:
        """Upscales a frame.

        Args:
            frame: Frame of the source.
            index: Its number.
            job: Receives the progress after each tile, and may cancel before it.

        Returns:
            (H, W, 3), with opacity (H, W, 4).
        """
        if self.idr is None:
            own = estimate_frame(self.model, frame, self.tiling, job.silent())
        else:
            own = self.idr[min(index, len(self.idr) - 1)]
        lq, alpha = frame.lq, frame.alpha
        if alpha is not None and not self.transparent:
            lq, alpha = lq * alpha + (1 - alpha), None
        kind = torch.float32 if self.deep else torch.uint8
        out = torch.empty(1, *self.size, 3 if alpha is None else 4, dtype=kind)
        result, steering = out.movedim(-1, 1), with_strength(self.model, own, self.strength)
        upscaler = Upscaler(self.model, self.tiling)
        upscaler.upscale(lq, steering, Size.of(result), alpha=alpha, out=result, job=job)
        return out[0]


class Made(NamedTuple):
    """Result of upscaling a video."""

    frames: int
    """Number of frames in the result."""
    lost: tuple[str, ...]
    """Descriptions of missing parts: frames, packets, unsupported metadata."""


def upscale_video(
    model: Student,
    film: Film,
    path: str | Path,
    size: OutputSize | None = None,
    *,
    idr: IDR | None = None,
    strength: float = 1.0,
    options: VideoOptions | None = None,
    tiling: Tiling = DEFAULT_TILING,
    job: Job = UNWATCHED,
    shown: FrameFn | None = None,
) -> Made:
    """Upscales a video, one frame at a time, and writes it as MP4 with its sound and time stamps.

    Args:
        model: Model, on the device to run on.
        film: Read twice, unless `idr` is given or each frame has its own.
        path: Written whole or not at all.
        size: Size of the result; by default by the model's factor. See `video_size`.
        idr: One IDR for all frames, instead of estimates by `options.mode`.
        strength: Strength of restoration; see `kdsr.meaning.references`.
        options: Options of estimating and encoding.
        tiling: Tiling of each frame.
        job: Receives the progress of both passes, and may cancel before each step.
        shown: Gets each finished frame.

    Raises:
        VideoError: If the video cannot be read or the result not written.
        IDRError: If `idr` is another model's, or several.
        Cancelled: If the job says so.
    """
    options = options or VideoOptions()
    two_passes = needs_first_pass(idr, options)
    facts = film.facts()
    wish = size or OutputSize(factor=model.config.scale)
    target = video_size(wish, Size(facts.width, facts.height)).shape
    clock, encoding = choose(MP4, facts, target, options.codec, options.crf)
    assert encoding is not None
    steps = _Steps(job.progress, facts.frames, passes=2 if two_passes else 1)
    within = replace(job, progress=steps.within)

    def estimated(frames: Iterable[Frame]) -> Iterator[IDR]:
        for frame in frames:
            yield estimate_frame(model, frame, tiling, within)
            steps.next()

    if two_passes:
        with film.open() as reading:
            found = collected(estimated(frames_of(reading)))
        if found is None:
            raise VideoError(NO_FRAMES)
        steps.count(len(found))
        idr = combined(found, options)
    upscaled = FrameUpscaler(model, target, idr, strength, facts.colour.deep, tiling=tiling)
    encoder, count = VideoEncoder(encoding), 0
    with (
        writing(Path(path)) as temporary,
        film.open() as reading,
        VideoWriter(temporary, MP4, encoding, reading.sound) as writer,
    ):
        for item in reading:
            if not isinstance(item, Frame):
                writer.copy(item)
                continue
            out = upscaled(item, count, within)
            writer.write(encoder.encode(out, clock.stamp(item)))
            steps.next()
            if shown is not None:
                shown(out)
            count += 1
        if not count:
            raise VideoError(NO_FRAMES)
        writer.write(encoder.finish())
        return Made(count, tuple(_lost(reading, writer, facts)))


def _lost(reading: Reading, writer: VideoWriter, facts: Facts) -> Iterator[str]:
    """After all was read and written."""
    if missing := reading.missing().more(reading.damaged):
        yield f"the file is cut or damaged: {missing}"
    yield from writer.lost()
    if facts.left_out:
        yield f"left out: {', '.join(facts.left_out)}"


def video_size(wish: OutputSize, frame: Size) -> Size:
    """The size of the result: the wish, in the even numbers that 4:2:0 video needs.

    The size that the source has is kept, be it odd: then nothing is resized.
    """
    size = wish.resolve(frame)
    if size == frame:
        return size
    return Size(max(2, 2 * round(size.width / 2)), max(2, 2 * round(size.height / 2)))


class _Steps:
    """A progress bar over both passes, in equal halves, as both cost about the same.

    Args:
        progress: Progress callback.
        frames: Stated number of frames, which may be wrong.
        passes: Number of passes over the frames.
    """

    def __init__(self, progress: ProgressFn | None, frames: int, passes: int) -> None:
        self.progress = progress
        self.frames = frames
        self.passes = passes
        self.done = 0

    def within(self, part: int, parts: int) -> None:
        """Part of a frame is done."""
        if self.progress is not None:
            now = self.done * _FINENESS + _FINENESS * part // parts
            self.progress(now, max(now, self.frames * self.passes * _FINENESS))

    def next(self) -> None:
        """A frame is done in one of the passes."""
        self.done += 1

    def count(self, frames: int) -> None:
        """The first pass has counted the frames."""
        self.frames = frames
