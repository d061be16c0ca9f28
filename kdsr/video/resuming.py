"""A video that is upscaled in segments: killed at any moment, the next run goes on."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from heapq import merge
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..atomic import writing
from ..errors import VideoError
from ..idr import IDR
from ..network.models import Student
from ..upscaling.sizes import OutputSize
from ..upscaling.tiled import TileKeywords
from .animation_writing import Animation, write_gif, write_webp
from .animations import AnimationFile
from .containers import ANIMATION_SUFFIXES, container_of
from .encoding import Coded, PictureEncoder, VideoEncoder, choose
from .film import Facts, Frame
from .looking import frames_of, look_at, looks_first, settled
from .options import VideoOptions
from .pyav import load_av
from .reading import VideoFile
from .store import Store
from .tracks import remarks
from .upscaling import NO_FRAMES, Upscaler, even
from .vectors import Vectors
from .writing import VideoWriter

if TYPE_CHECKING:
    import av

SEGMENT = 60
"""Frames: what a killed run loses at most, and how far apart the places are that players find."""
LOOKING, UPSCALING, JOINING = "looking", "upscaling", "joining"
"""What is done, in order; the first only if all frames are looked at first."""

TellFn = Callable[[str, int, int], None]
"""Called with (what is done, frames done, frames in all as far as is known)."""
_Segments = Iterator[tuple[int, Iterator[tuple[int, Frame]]]]


@dataclass(frozen=True)
class Job:
    """A video to upscale into a file."""

    model: Student
    """On the device to run on."""
    source: Path
    target: Path
    size: OutputSize | None = None
    """Of the result; the model's factor when left out. For videos both sides become even."""
    idr: IDR | None = None
    """One for all frames, in place of what `options.look` would find."""
    strength: float = 1.0
    """See `kdsr.meaning.strength`."""
    options: VideoOptions = field(default_factory=VideoOptions)
    tiles: TileKeywords = field(default_factory=TileKeywords)
    """Of `upscale`."""


def film_of(source: Path) -> VideoFile | AnimationFile:
    """A file as a film.

    Raises:
        VideoError: If it is none.
    """
    if not source.is_file():
        raise VideoError("a folder or device, not a file" if source.exists() else "no such file")
    if source.suffix.lower() in ANIMATION_SUFFIXES:
        return AnimationFile(source)
    return VideoFile(str(source))


class VideoRun:
    """Does a job; what an earlier run has done of it is not done again.

    Given the IDRs, a frame depends on no other, and each segment has an encoder of its own: so
    the result of a run that was killed and went on is that of one that was not.

    Args:
        job: What to do.
        film: From `film_of` of its source.
        facts: Of the film.

    Raises:
        VideoError: If the result cannot be written so.
        IDRError: If the IDR is several.
        ConfigError: If the container does not go with the codec.
    """

    def __init__(self, job: Job, film: VideoFile | AnimationFile, facts: Facts) -> None:
        self.job, self.film, self.facts = job, film, facts
        self.looks_first = looks_first(job.idr, job.options)
        self.container = container_of(job.target)
        wish = job.size or OutputSize(factor=job.model.config.scale)
        plain = self.container.is_animation
        sides = (facts.height, facts.width)
        self.size = wish.resolve(*sides) if plain else even(wish, *sides)
        """(height, width) of the result."""
        self.clock, self.encoding = choose(
            self.container, facts, self.size, job.options.codec, job.options.crf
        )
        self.store = Store(job.target, self._wanted())
        self.frames = facts.frames
        """How many, as far as is known."""

    def remarks(self) -> list[str]:
        """One line for each thing that does not stay what it was."""
        suffix = self.job.target.suffix.lower()
        with self.film.open(pictures=False) as reading:
            lines = remarks(reading.sound, self.container, suffix)
        if self.facts.interlaced:
            lines.append("the video is interlaced: deinterlace it first, or its combs are enlarged")
        if self.container.square and self.facts.aspect != 1:
            lines.append(
                f"{suffix} cannot say that pixels are not square: it will look too narrow "
                "or too wide; name the result .mp4 or .mkv"
            )
        return lines

    def run(self, tell: TellFn, *, overwrite: bool = True) -> None:
        """Writes the result, whole or not at all.

        Args:
            tell: Told after each frame.
            overwrite: Whether a file that exists is replaced.

        Raises:
            VideoError: If the source is damaged or the result cannot be written.
            FileExistsError: As `kdsr.atomic.writing`.
        """
        if not self.store.complete:
            self._upscale(self._steering(tell), tell)
        tell(JOINING, 0, self.frames)
        with writing(self.job.target, overwrite=overwrite) as temporary:
            if self.encoding is None:
                self._write_animation(temporary)
            else:
                self._write_video(temporary, tell)
        self.store.remove()

    def _steering(self, tell: TellFn) -> IDR | None:
        """One IDR, one for each frame, or None: each frame's own."""
        job = self.job
        if not self.looks_first:
            return job.idr
        found = self.store.look(None)
        if found is None:
            with self.film.open() as reading:
                parts = [
                    self._looked(number, frames, tell)
                    for number, frames in _segments(frames_of(reading))
                ]
            if not parts:
                raise VideoError(NO_FRAMES)
            found = IDR.cat(parts)
            self.store.keep_look(None, found)
        self.frames = len(found)
        return settled(found, job.options)

    def _looked(self, number: int, frames: Iterator[tuple[int, Frame]], tell: TellFn) -> IDR:
        """The IDRs of a segment."""
        kept = self.store.look(number)
        if kept is not None:
            tell(LOOKING, number * SEGMENT + len(kept), self.frames)
            return kept
        vectors = Vectors()
        for index, frame in frames:
            vectors.append(look_at(self.job.model, frame, self.job.tiles))
            tell(LOOKING, index + 1, self.frames)
        self.store.keep_look(number, vectors.joined())
        return vectors.joined()

    def _upscale(self, idr: IDR | None, tell: TellFn) -> None:
        """Codes the segments that are not there."""
        job = self.job
        upscaled = Upscaler(
            job.model,
            self.size,
            idr,
            job.strength,
            deep=self.encoding is not None and self.facts.colour.deep,
            transparent=self.encoding is None,
            keywords=job.tiles,
        )
        with self.film.open() as reading:
            for number, frames in _segments(frames_of(reading)):
                if not self.store.has(number):
                    self.store.keep(number, self._coded(frames, upscaled, tell))
                    continue
                stamped = [self.clock.stamp(frame) for _, frame in frames]
                tell(UPSCALING, number * SEGMENT + len(stamped), self.frames)
        if not self.store.has(0):
            raise VideoError(NO_FRAMES)
        self.store.keep_complete()

    def _coded(
        self, frames: Iterable[tuple[int, Frame]], upscaled: Upscaler, tell: TellFn
    ) -> Iterator[Coded]:
        encoder = PictureEncoder() if self.encoding is None else VideoEncoder(self.encoding)
        for index, frame in frames:
            yield from encoder.encode(upscaled(frame, index), self.clock.stamp(frame))
            tell(UPSCALING, index + 1, self.frames)
        yield from encoder.finish()

    def _write_video(self, path: Path, tell: TellFn) -> None:
        """Copies packets: those of the segments, and those of the source's other streams."""
        assert self.encoding is not None
        tick, done = self.clock.tick, 0

        def time(item: "Coded | av.Packet") -> Fraction:
            if isinstance(item, Coded):
                return item.shown * tick
            return (item.dts or 0) * (item.time_base or tick)

        with (
            self.film.open(pictures=False) as reading,
            VideoWriter(path, self.container, self.encoding, reading.sound) as writer,
        ):
            writer.mark(reading.chapters)
            others = (item for item in reading if not isinstance(item, Frame))
            for item in merge(self.store.all_frames(), others, key=time):
                if isinstance(item, Coded):
                    writer.write([item])
                    done += 1
                    tell(JOINING, done, self.frames)
                else:
                    writer.copy(item)

    def _write_animation(self, path: Path) -> None:
        times = [(picture.shown, picture.duration) for picture in self.store.all_frames()]
        ticks = [after - before for (before, _), (after, _) in pairwise(times)]
        durations = [self.clock.tick * count for count in (*ticks, times[-1][1])]
        animation = Animation(self.store.all_frames(), durations, self.facts.plays)
        if self.container.format == "gif":
            write_gif(path, animation)
        else:
            write_webp(path, animation, self.job.options.quality)

    def _wanted(self) -> dict[str, object]:
        """All that decides what the result is."""
        job, about = self.job, self.job.source.stat()
        idr = job.idr and hashlib.sha256(job.idr.idr.numpy().tobytes()).hexdigest()
        return {
            "format": 1,
            "source": [job.source.name, about.st_size, about.st_mtime_ns],
            "model": job.model.fingerprint,
            "idr": idr,
            "strength": job.strength,
            "size": self.size,
            "options": asdict(job.options),
            "encoding": None if self.encoding is None else [self.encoding.name, self.encoding.crf],
            "container": self.container.format,
            "tiles": {name: str(value) for name, value in job.tiles.items()},
            "device": next(job.model.parameters()).device.type,
            "segment": SEGMENT,
            "versions": [torch.__version__, load_av().__version__],
        }


def _segments(frames: Iterable[Frame]) -> _Segments:
    """(number, (index, frame) of each of its frames), as they are read."""
    return groupby(enumerate(frames), key=lambda pair: pair[0] // SEGMENT)
