"""Video -> larger video: IDRs of all frames first, then the frames, in the memory of a few."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import torch
from torch import Tensor

from ..atomic import writing
from ..errors import ConfigError, IDRError, VideoError
from ..estimation.frames import CUT_ANGLE, smooth
from ..estimation.whole import estimate
from ..idr import IDR
from ..meaning.strength import with_strength
from ..network.models import Student
from ..tiles.windows import CancelledFn, ProgressFn
from ..upscaling.resized import upscale_to
from ..upscaling.sizes import OutputSize
from .film import Film, Frame, Reading
from .vectors import Vectors
from .writing import VideoWriter

if TYPE_CHECKING:
    from typing_extensions import Unpack

SMOOTHED, LOCKED, PER_FRAME = "smoothed", "locked", "per frame"
LOOKS = (SMOOTHED, LOCKED, PER_FRAME)
"""Which IDR a frame gets: its own averaged with its neighbours', the film's average, its own."""
LARGEST_CRF = 51
_FINENESS = 100  # steps of progress a frame
_NO_FRAMES = "the video has no frames in the part that was asked for"

FrameFn = Callable[[Tensor], None]
"""Called with each finished frame, (H, W, 3) in [0, 1] or uint8."""


@dataclass(frozen=True)
class VideoOptions:
    """How a video is looked at and encoded.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    look: str = SMOOTHED
    """One of `LOOKS`."""
    smoothing: float = 0.8
    """0 to less than 1; see `kdsr.estimation.frames.smooth`."""
    scene_cut: float = CUT_ANGLE
    """Degrees; see there."""
    crf: int = 18
    """Constant rate factor of x264: 0 is lossless, 18 hard to tell from it, 51 the smallest."""

    def __post_init__(self) -> None:
        problems = []
        if self.look not in LOOKS:
            problems.append(f"the look must be one of {', '.join(LOOKS)}, got {self.look!r}")
        if not 0 <= self.smoothing < 1:
            problems.append(f"the smoothing must be 0 to less than 1, got {self.smoothing}")
        if not 0 <= self.scene_cut <= 180:
            problems.append(f"the scene cut must be 0 to 180 degrees, got {self.scene_cut}")
        if not 0 <= self.crf <= LARGEST_CRF:
            problems.append(f"the crf must be 0 to {LARGEST_CRF}, got {self.crf}")
        if problems:
            raise ConfigError("; ".join(problems))


class VideoKeywords(TypedDict, total=False):
    """The keyword arguments that both passes take."""

    dtype: str | torch.dtype
    cancelled: CancelledFn | None


def upscale_video(
    model: Student,
    film: Film,
    path: str | Path,
    size: OutputSize | None = None,
    *,
    idr: IDR | None = None,
    strength: float = 1.0,
    options: VideoOptions | None = None,
    progress: ProgressFn | None = None,
    shown: FrameFn | None = None,
    **keywords: "Unpack[VideoKeywords]",
) -> None:
    """Upscales a video, one frame at a time, and writes it as MP4 with its sound and time stamps.

    Args:
        model: On the device to run on.
        film: Read twice, unless `idr` is given or the look is per frame.
        path: Written whole or not at all.
        size: Of the result; the model's factor when left out. Both sides become even numbers.
        idr: One for all frames, in place of what `options.look` would find.
        strength: See `kdsr.meaning.strength`.
        options: How to look and encode.
        progress: Called with (steps done, steps in all) over both passes.
        shown: Gets each finished frame.
        **keywords: `dtype` and `cancelled` of `upscale`.

    Raises:
        VideoError: If the video cannot be read or the result not written.
        IDRError: If `idr` is another model's, or several.
        Cancelled: If `cancelled` said so.
    """
    options = options or VideoOptions()
    if idr is not None and len(idr) != 1:
        raise IDRError(
            f"got {len(idr)} IDRs for the frames of a video; give one for all (Estimate IDR with "
            "mode one for the batch), or none"
        )
    facts = film.facts()
    target = even(size or OutputSize(factor=model.config.scale), facts.height, facts.width)
    two_passes = idr is None and options.look != PER_FRAME
    steps = _Steps(progress, facts.frames, passes=2 if two_passes else 1)
    if two_passes:
        with film.open() as reading:
            idr = _look(model, reading, options, steps, keywords)
    if idr is not None:
        idr = with_strength(model, idr, strength)
    with (
        writing(Path(path)) as temporary,
        film.open() as reading,
        VideoWriter(temporary, facts, target, reading.sound, options.crf) as writer,
    ):
        count = 0
        for item in reading:
            if not isinstance(item, Frame):
                writer.copy(item)
                continue
            if idr is None:
                own = with_strength(model, estimate(model, item.lq, **keywords), strength)
            else:
                own = idr[min(count, len(idr) - 1)]
            out = torch.empty(
                1, *target, 3, dtype=torch.float32 if facts.colour.deep else torch.uint8
            )
            planes = out.movedim(-1, 1)
            upscale_to(model, item.lq, own, target, out=planes, progress=steps.within, **keywords)
            writer.write(out[0], item)
            steps.next()
            if shown is not None:
                shown(out[0])
            count += 1
        if not count:
            raise VideoError(_NO_FRAMES)


def even(size: OutputSize, height: int, width: int) -> tuple[int, int]:
    """(height, width) of the result: the wish, in the even numbers that 4:2:0 video needs."""
    rows, columns = size.resolve(height, width)
    return max(2, 2 * round(rows / 2)), max(2, 2 * round(columns / 2))


def _look(
    model: Student,
    reading: Reading,
    options: VideoOptions,
    steps: "_Steps",
    keywords: VideoKeywords,
) -> IDR:
    """The first pass: the IDR of each frame, of which nothing but the vectors is kept."""
    found = Vectors()
    for item in reading:
        if isinstance(item, Frame):
            found.append(estimate(model, item.lq, progress=steps.within, **keywords))
            steps.next()
    if not found:
        raise VideoError(_NO_FRAMES)
    steps.count(len(found))
    idr = found.joined()
    if options.look == LOCKED:
        return idr.mean()
    return smooth(idr, options.smoothing, options.scene_cut)


class _Steps:
    """One progress bar over both passes, of equal length: they cost about the same.

    Args:
        progress: Told.
        frames: How many there seem to be; files do not always say it right.
        passes: How often they are read.
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
