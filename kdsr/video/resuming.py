"""A video that is upscaled in segments: killed at any moment, the next run goes on."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

import torch

from ..atomic import writing
from ..errors import VideoError
from ..idr import IDR
from ..network.models import Student
from ..upscaling.sizes import OutputSize
from ..upscaling.tiled import TileKeywords
from . import reels
from .animations import AnimationFile
from .clock import Clock
from .containers import ANIMATION_SUFFIXES, container_of
from .encoding import Coded, Encoding, PictureEncoder, VideoEncoder, choose
from .film import Facts
from .joining import join_animation, join_video
from .looking import look_at, looks_first, settled
from .options import VideoOptions
from .pyav import load_av
from .reading import VideoFile
from .reels import Reel, Shot
from .store import Store
from .tracks import named, remarks
from .upscaling import NO_FRAMES, Upscaler, even
from .vectors import Vectors

LOOKING, UPSCALING, JOINING = "looking", "upscaling", "joining"
"""What is done, in order; the first only if all frames are looked at first."""

TellFn = Callable[[str, int, int], None]
"""Called with (what is done, frames done, frames in all as far as is known)."""


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
    device: str | None = None
    """The kind that all segments are made on; the model's when left out."""


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
    the result of a run that was killed and went on is that of one that was not, and so is that of
    several processes, each of which does some segments (see docs/scaling.md).

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
        clock, self.encoding = self._choose()
        self.tick = clock.tick
        self.store = Store(job.target, self._wanted())
        self.frames = facts.frames
        """How many, as far as is known."""

    def remarks(self) -> list[str]:
        """One line for each thing that does not stay what it was."""
        suffix = self.job.target.suffix.lower()
        with self.film.open(pictures=False) as reading:
            lines = remarks(reading.sound, self.container, suffix)
            if names := ", ".join(map(named, reading.left_out)):
                lines.append(f"left out, as only pictures, sound and subtitles are kept: {names}")
        if self.facts.interlaced:
            lines.append("the video is interlaced: deinterlace it first, or its combs are enlarged")
        if self.container.square and self.facts.aspect != 1:
            lines.append(
                f"{suffix} cannot say that pixels are not square: it will look too narrow "
                "or too wide; name the result .mp4 or .mkv"
            )
        return lines

    def run(self, tell: TellFn, *, overwrite: bool = True) -> int:
        """Writes the result, whole or not at all; returns how many frames it has.

        Args:
            tell: Told after each frame.
            overwrite: Whether a file that exists is replaced.

        Raises:
            VideoError: If the source is damaged, the result cannot be written, or another run is
                writing it.
            FileExistsError: As `kdsr.atomic.writing`.
        """
        with self.store.claimed():
            if not self.store.complete:
                self._do_segments(tell)
            frames = self.join(tell, overwrite=overwrite)
            self.store.remove()
        return frames

    def reel(self) -> Reel:
        """The film, for `look` and `upscale`."""
        return Reel(self.film, lambda: self._choose()[0])

    def look(self, reel: Reel, number: int, tell: TellFn) -> int:
        """Looks at a segment, unless that is done; returns its frames, 0 where there are none."""
        kept = self.store.look(number)
        if kept is not None:
            tell(LOOKING, number * reels.SEGMENT + len(kept), self.frames)
            return len(kept)
        vectors = Vectors()
        for shot in reel.shots(number):
            vectors.append(look_at(self.job.model, shot.frame, self.job.tiles))
            tell(LOOKING, shot.place + 1, self.frames)
        if vectors:
            self.store.keep_look(number, vectors.joined())
        return len(vectors)

    def gather(self) -> None:
        """Joins the looks at all segments.

        Raises:
            VideoError: If there are none.
        """
        if not self.looks_first or self.store.look(None) is not None:
            return
        parts = []
        while (part := self.store.look(len(parts))) is not None:
            parts.append(part)
        if not parts:
            raise VideoError(NO_FRAMES)
        self.store.keep_look(None, IDR.cat(parts))

    def upscaler(self) -> Upscaler:
        """What makes frames; after `gather`."""
        job, idr = self.job, self.job.idr
        if self.looks_first:
            found = self.store.look(None)
            assert found is not None
            self.frames = len(found)
            idr = settled(found, job.options)
        deep = self.encoding is not None and self.facts.colour.deep
        transparent = self.encoding is None
        return Upscaler(job.model, self.size, idr, job.strength, deep, transparent, job.tiles)

    def upscale(self, upscaler: Upscaler, reel: Reel, number: int, tell: TellFn) -> bool:
        """Codes a segment, unless that is done; returns whether the film goes on so far."""
        if self.store.has(number):
            tell(UPSCALING, min((number + 1) * reels.SEGMENT, self.frames), self.frames)
            return True
        if not reel.has(number):
            return False
        self.store.keep(number, self._coded(reel.shots(number), upscaler, tell))
        return True

    def join(self, tell: TellFn, *, overwrite: bool) -> int:
        """Writes the result from its segments; returns how many frames it has."""
        tell(JOINING, 0, self.frames)

        def joined(done: int) -> None:
            tell(JOINING, done, self.frames)

        with writing(self.job.target, overwrite=overwrite) as path:
            if self.encoding is None:
                quality, plays = self.job.options.quality, self.facts.plays
                return join_animation(path, self.store, self.container, self.tick, plays, quality)
            return join_video(path, self.store, self.film, self.container, self.encoding, joined)

    def _do_segments(self, tell: TellFn) -> None:
        reel = self.reel()
        try:
            if self.looks_first and self.store.look(None) is None:
                for number in count():
                    if not self.look(reel, number, tell):
                        break
            self.gather()
            upscaler = self.upscaler()
            for number in count():
                if not self.upscale(upscaler, reel, number, tell):
                    break
        finally:
            reel.close()
        if not self.store.has(0):
            raise VideoError(NO_FRAMES)
        self.store.keep_complete()

    def _coded(self, shots: Iterator[Shot], upscaler: Upscaler, tell: TellFn) -> Iterator[Coded]:
        encoder = PictureEncoder() if self.encoding is None else VideoEncoder(self.encoding)
        for shot in shots:
            yield from encoder.encode(upscaler(shot.frame, shot.place), shot.stamp)
            tell(UPSCALING, shot.place + 1, self.frames)
        yield from encoder.finish()

    def _choose(self) -> tuple[Clock, Encoding | None]:
        options = self.job.options
        return choose(self.container, self.facts, self.size, options.codec, options.crf)

    def _wanted(self) -> dict[str, object]:
        """All that decides what the result is."""
        job, about = self.job, self.job.source.stat()
        device = job.device or next(job.model.parameters()).device.type
        idr = job.idr and hashlib.sha256(job.idr.idr.numpy().tobytes()).hexdigest()
        return {
            "format": 2,
            "source": [job.source.name, about.st_size, about.st_mtime_ns],
            "model": job.model.fingerprint,
            "idr": idr,
            "strength": job.strength,
            "size": self.size,
            "options": asdict(job.options),
            "encoding": None if self.encoding is None else [self.encoding.name, self.encoding.crf],
            "container": self.container.format,
            "tiles": {name: str(value) for name, value in job.tiles.items()},
            "device": device,
            "segment": reels.SEGMENT,
            "versions": [torch.__version__, load_av().__version__],
        }
