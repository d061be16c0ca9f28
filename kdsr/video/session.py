"""A film that is upscaled in segments: killed at any moment, the next run goes on."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from heapq import merge
from itertools import chain, count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .. import __version__
from ..atomic import writing
from ..errors import VideoError
from ..estimation import explained
from ..formats import ANIMATION_SUFFIXES, container_of
from ..idr import IDR
from ..network.models import Student
from ..options import DEFAULT_TILING, Size, Tiling, VideoOptions
from ..upscaling.sizes import OutputSize
from . import segments
from .animation_writing import Animation, check_animation, write_animation
from .animations import AnimationFile
from .clock import Clock
from .encoding import Coded, Encoding, PictureEncoder, VideoEncoder, choose
from .film import Facts, Frame, Missing
from .pyav import load_av
from .reading import VideoFile
from .segments import SegmentReader, Segments, Shot
from .survey import Survey, remarks_on, survey
from .upscaling import (
    NO_FRAMES,
    FrameUpscaler,
    collected,
    combined,
    estimate_frame,
    needs_first_pass,
    video_size,
)
from .writing import VideoWriter

if TYPE_CHECKING:
    import av

ESTIMATING, UPSCALING, JOINING = "estimating", "upscaling", "joining"
"""Stages in order; the first is skipped if frames are not estimated in advance."""

TellFn = Callable[[str, int, int], None]
"""Called with (what is done, frames done, frames in all as far as is known)."""


@dataclass(frozen=True)
class VideoJob:
    """A film to upscale into a file."""

    model: Student
    """Model, on the device to run on."""
    source: Path
    target: Path
    size: OutputSize | None = None
    """Size of the result, by default by the model's factor; see `video_size`."""
    idr: IDR | None = None
    """One IDR for all frames, instead of estimates by `options.mode`."""
    strength: float = 1.0
    """Strength of restoration; see `kdsr.meaning.references`."""
    options: VideoOptions = field(default_factory=VideoOptions)
    tiling: Tiling = DEFAULT_TILING
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


class VideoSession:
    """Does a job; what an earlier run has done of it is not done again.

    Given the IDRs, a frame depends on no other, and each segment has an encoder of its own. So the
    result of a run that was killed and went on is that of one that was not, and so is that of
    several processes, each of which does some segments (see docs/scaling.md).

    Args:
        job: Description of the work.
        film: Film, from `film_of` of the source.
        facts: Facts about the film.

    Raises:
        VideoError: If the result cannot be written so.
        IDRError: If the IDR is several.
        ConfigError: If the container does not go with the codec.
    """

    def __init__(self, job: VideoJob, film: VideoFile | AnimationFile, facts: Facts) -> None:
        self.job, self.film, self.facts = job, film, facts
        self.two_passes = needs_first_pass(job.idr, job.options)
        self.judged = ""
        """A line about what of the film was left out of its IDRs; see `kdsr.network.baked`."""
        self.container = container_of(job.target)
        wish = job.size or OutputSize(factor=job.model.config.scale)
        sides = Size(facts.width, facts.height)
        plain = self.container.is_animation
        self.size = (wish.resolve(sides) if plain else video_size(wish, sides)).shape
        """(height, width) of the result."""
        if plain:
            check_animation(self.container.format)
        clock, self.encoding = self._choose()
        self.tick = clock.tick
        self.segments = Segments(job.target, self._wanted())
        self.frames = facts.frames
        """Number of frames, as far as known."""
        self.survey = Survey()

    def remarks(self) -> list[str]:
        """Makes a line for each change from the source; reads the film once."""
        self.survey = survey(self.film, self.container, self.encoding)
        suffix = self.job.target.suffix.lower()
        lines = remarks_on(self.film, self.facts, self.container, self.encoding, suffix)
        return [*lines, *self.survey.remarks]

    @property
    def missing(self) -> Missing:
        """Frames that the source lacks or that are damaged there; after `remarks` and `run`."""
        return self.survey.missing.more(self._damaged)

    _damaged = 0

    def run(self, tell: TellFn, *, overwrite: bool = True) -> int:
        """Writes the result, whole or not at all; returns how many frames it has.

        Args:
            tell: Progress callback, called after each frame.
            overwrite: Whether a file that exists is replaced.

        Raises:
            VideoError: If the source is damaged, the result cannot be written, or another run is
                writing it.
            FileExistsError: As `kdsr.atomic.writing`.
        """
        with self.segments.claimed():
            if not self.segments.complete:
                self._do_segments(tell)
            frames = self.join(tell, overwrite=overwrite)
            self.segments.remove()
        return frames

    def reader(self) -> SegmentReader:
        """The film, for `estimate` and `upscale`."""
        return SegmentReader(self.film, lambda: self._choose()[0])

    def estimate(self, reader: SegmentReader, number: int, tell: TellFn) -> int:
        """Estimates a segment, unless that is done; returns its frames, 0 where there are none."""
        kept = self.segments.idr(number)
        if kept is not None:
            tell(ESTIMATING, number * segments.SEGMENT + len(kept), self.frames)
            return len(kept)
        found = collected(self._estimated(reader.shots(number), tell))
        if found is None:
            return 0
        self.segments.keep_idr(number, found)
        return len(found)

    def gather(self) -> None:
        """Joins the IDRs of all segments.

        Raises:
            VideoError: If there are none.
        """
        if not self.two_passes or self.segments.idr(None) is not None:
            return
        parts = []
        while (part := self.segments.idr(len(parts))) is not None:
            parts.append(part)
        if not parts:
            raise VideoError(NO_FRAMES)
        self.segments.keep_idr(None, IDR.cat(parts))

    def upscaler(self) -> FrameUpscaler:
        """Upscaler of the frames; needs `gather` first."""
        job, idr, encoding = self.job, self.job.idr, self.encoding
        if self.two_passes:
            found = self.segments.idr(None)
            assert found is not None
            self.frames = len(found)
            idr = combined(found, job.options)
        if idr is not None:
            self.judged = explained(job.model, idr).replace("picture", "film")
        deep = encoding is not None and self.facts.colour.deep
        transparent = encoding is None or encoding.transparent
        return FrameUpscaler(job.model, self.size, idr, job.strength, deep, transparent, job.tiling)

    def upscale(
        self, upscaler: FrameUpscaler, reader: SegmentReader, number: int, tell: TellFn
    ) -> bool:
        """Codes a segment, unless that is done; returns whether the film goes on so far."""
        if self.segments.has(number):
            tell(UPSCALING, min((number + 1) * segments.SEGMENT, self.frames), self.frames)
            return True
        shots = reader.shots(number)
        first = next(shots, None)
        if first is None:
            return False
        self.segments.keep(number, self._coded(chain([first], shots), upscaler, tell))
        return True

    def join(self, tell: TellFn, *, overwrite: bool) -> int:
        """Writes the result from its segments; returns how many frames it has.

        Raises:
            VideoError: If it cannot be written, or a segment is damaged.
        """
        tell(JOINING, 0, self.frames)
        if self.segments.complete:
            self._damaged = self.segments.damaged
        with writing(self.job.target, overwrite=overwrite) as path:
            if self.encoding is None:
                return self._join_pictures(path)
            return self._join_packets(path, self.encoding, tell)

    def _join_packets(self, path: Path, encoding: Encoding, tell: TellFn) -> int:
        """Copies the packets of the segments, and those of the film's other streams."""
        done = 0

        def time(item: "Coded | av.Packet") -> Fraction:
            if isinstance(item, Coded):
                return item.shown * encoding.tick
            return (item.dts or 0) * (item.time_base or encoding.tick)

        with (
            self.film.open(pictures=False) as reading,
            VideoWriter(path, self.container, encoding, reading.sound) as writer,
        ):
            writer.mark(reading.chapters)
            others = (item for item in reading if not isinstance(item, Frame))
            for item in merge(self.segments.frames(), others, key=time):
                if isinstance(item, Coded):
                    writer.write([item])
                    done += 1
                    tell(JOINING, done, self.frames)
                else:
                    writer.copy(item)
        return done

    def _join_pictures(self, path: Path) -> int:
        """Codes the pictures of the segments as an animation."""
        times = [(one.shown, one.duration) for one in self.segments.frames()]
        ticks = [after - before for (before, _), (after, _) in pairwise(times)]
        durations = [self.tick * ticks for ticks in (*ticks, times[-1][1])]
        facts = self.facts
        about = facts.about.renewed(self.size, self.size[1] / facts.width, None)
        animation = Animation(
            self.segments.frames(),
            durations,
            facts.plays,
            facts.colour.transparent,
            about,
            facts.lossless,
        )
        write_animation(path, self.container.format, animation, self.job.options.quality)
        return len(times)

    def _do_segments(self, tell: TellFn) -> None:
        reader = self.reader()
        try:
            if self.two_passes and self.segments.idr(None) is None:
                for number in count():
                    if not self.estimate(reader, number, tell):
                        break
            self.gather()
            upscaler = self.upscaler()
            for number in count():
                if not self.upscale(upscaler, reader, number, tell):
                    break
        finally:
            reader.close()
        self.complete(reader.damaged)

    def complete(self, damaged: int = 0) -> None:
        """Says that all segments are upscaled.

        Raises:
            VideoError: If there are none.
        """
        if not self.segments.has(0):
            raise VideoError(NO_FRAMES)
        self.segments.keep_complete(damaged)

    def _estimated(self, shots: Iterator[Shot], tell: TellFn) -> Iterator[IDR]:
        for shot in shots:
            yield estimate_frame(self.job.model, shot.frame, self.job.tiling)
            tell(ESTIMATING, shot.place + 1, self.frames)

    def _coded(
        self, shots: Iterator[Shot], upscaler: FrameUpscaler, tell: TellFn
    ) -> Iterator[Coded]:
        encoder = PictureEncoder() if self.encoding is None else VideoEncoder(self.encoding)
        for shot in shots:
            yield from encoder.encode(upscaler(shot.frame, shot.place), shot.stamp)
            tell(UPSCALING, shot.place + 1, self.frames)
        yield from encoder.finish()

    def _choose(self) -> tuple[Clock, Encoding | None]:
        options = self.job.options
        return choose(self.container, self.facts, self.size, options.codec, options.crf)

    def _wanted(self) -> dict[str, object]:
        """All settings that decide the result."""
        job, about, encoding = self.job, self.job.source.stat(), self.encoding
        device = job.device or next(job.model.parameters()).device.type
        idr = job.idr and hashlib.sha256(job.idr.idr.numpy().tobytes()).hexdigest()
        coding = encoding and [encoding.name, encoding.crf, encoding.pixel_format]
        return {
            "source": [job.source.name, about.st_size, about.st_mtime_ns],
            "model": job.model.weights_hash(),
            "idr": idr,
            "strength": job.strength,
            "size": self.size,
            "options": asdict(job.options),
            "encoding": coding,
            "container": self.container.format,
            "tiles": {name: str(value) for name, value in asdict(job.tiling).items()},
            "device": device,
            "segment": segments.SEGMENT,
            "versions": [__version__, torch.__version__, load_av().__version__],
        }
