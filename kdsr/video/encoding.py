"""Frames -> coded pictures, apart from any file: what is done can be kept until all is done."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image
from torch import Tensor

from ..errors import ConfigError, VideoError
from ..formats import CODECS, Codec, Container
from .clock import Clock
from .film import Facts
from .pyav import WRITING, can_store_opacity, explained, load_av, opacity_of

if TYPE_CHECKING:
    import av

# The encoder's memory is that of the frames it holds back: few threads.
_THREADS = 8
_GLOBAL_HEADER = 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER: parameters once a file, as MP4 wants them
_PNG_LEVEL = 1  # of zlib; these files are read once and deleted


class Coded(NamedTuple):
    """An encoded frame of the result; frames come in display order."""

    shown: int
    """When, in ticks of the `Clock`."""
    duration: int
    """Ticks."""
    key: bool
    """Can be decoded without those before it."""
    data: bytes
    opacity: bytes = b""
    """Opacity data that Matroska and WebM store beside the picture."""


@dataclass(frozen=True)
class Encoding:
    """Encoding of one video's pictures.

    Raises:
        ConfigError: If the crf is not one of the codec's.
        VideoError: If this FFmpeg lacks the encoder, or the encoder the depth.
    """

    name: str
    """Key of `CODECS`."""
    crf: int
    facts: Facts
    """Facts about the source, whose rate, colours and aspect are kept."""
    size: tuple[int, int]
    """(height, width) of the result, even numbers."""
    tick: Fraction
    """Seconds; the unit of the time stamps."""

    def __post_init__(self) -> None:
        codec, av = self.codec, load_av()
        if self.crf and not codec.largest_crf:
            raise ConfigError(f"{self.name} has no crf; leave --crf out")
        if not 0 <= self.crf <= codec.largest_crf:
            raise ConfigError(
                f"the crf of {self.name} must be 0 to {codec.largest_crf}, got {self.crf}"
            )
        others = ", ".join(name for name in CODECS if name != self.name)
        try:
            formats = av.Codec(codec.encoder, "w").video_formats or ()
        except av.codec.codec.UnknownCodecError:
            raise VideoError(
                f"this PyAV has no encoder {codec.encoder}; choose another codec ({others})"
            ) from None
        wanted = self.pixel_format
        if wanted not in {form.name for form in formats}:
            raise VideoError(
                f"this PyAV's {codec.encoder} cannot write {wanted}; choose another codec "
                f"({others})"
            )

    @property
    def codec(self) -> Codec:
        """Codec of that name."""
        return CODECS[self.name]

    @property
    def transparent(self) -> bool:
        """Whether opacity is kept."""
        known = self.codec.clear and (self.name != "vp9" or can_store_opacity())
        return self.facts.colour.transparent and bool(known)

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the coded pixels; colours of full size where a side is odd."""
        if self.transparent:
            return self.codec.clear
        usual = self.codec.plain or self.facts.colour.pixel_format
        return usual.replace("420", "444") if any(side % 2 for side in self.size) else usual

    def configure(self, context: "av.VideoCodecContext") -> None:
        """Makes an encoder this one. The same settings give the same bytes for the same frames."""
        colour = self.facts.colour
        context.height, context.width = self.size
        context.pix_fmt = self.pixel_format
        context.time_base = self.tick
        context.framerate = self.facts.rate
        context.sample_aspect_ratio = self.facts.aspect
        context.thread_count = _THREADS
        context.flags |= _GLOBAL_HEADER
        context.options = self._options()
        # Frames that are stored out of order get durations in the order of storage.
        context.max_b_frames = 0
        colour.tag(context)
        if self.codec.encoder == "libsvtav1":
            with _usual_priority():
                context.open()

    def _options(self) -> dict[str, str]:
        codec, hdr = self.codec, self.facts.hdr
        options = dict(codec.options)
        if codec.largest_crf:
            options["crf"] = f"{self.crf}"
        if self.transparent:
            options |= codec.clear_options
        for key, more in hdr.options(codec.encoder).items() if hdr is not None else ():
            options[key] = ":".join(filter(None, (options.get(key), more)))
        return options


class VideoEncoder:
    """An encoder of FFmpeg: takes frames in order, gives them coded, perhaps a few frames later.

    Raises:
        VideoError: If it refuses.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        with explained(WRITING):
            self.context = load_av().CodecContext.create(encoding.codec.encoder, "w")
            encoding.configure(self.context)
        self._durations: dict[int, int] = {}

    def encode(self, rgb: Tensor, stamp: tuple[int, int]) -> Iterator[Coded]:
        """Codes a frame.

        Args:
            rgb: (H, W, 3 or 4), float in [0, 1] if the video is deep, else uint8.
            stamp: Its time stamp from `Clock.stamp`.
        """
        frame = self.encoding.facts.colour.to_frame(rgb, self.encoding.pixel_format)
        frame.pts, duration = stamp
        frame.time_base = self.encoding.tick
        self._durations[stamp[0]] = duration
        yield from self._packets(frame)

    def finish(self) -> Iterator[Coded]:
        """Yields the delayed frames."""
        yield from self._packets(None)

    def _packets(self, frame: "av.VideoFrame | None") -> Iterator[Coded]:
        with explained(WRITING):
            packets = self.context.encode(frame)
        for packet in packets:
            duration = self._durations.pop(packet.pts)
            opacity = opacity_of(packet) if self.encoding.transparent else b""
            yield Coded(packet.pts, duration, packet.is_keyframe, bytes(packet), opacity)


@contextlib.contextmanager
def _usual_priority() -> Iterator[None]:
    """Takes back the real-time priority that SVT-AV1 gives all threads of root's processes.

    With it a film would stop every other program on its cores.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # it has ended
            os.sched_setscheduler(int(thread.name), policy, parameters)


class PictureEncoder:
    """Keeps each frame as a PNG file: for animations, which are coded when all frames are there."""

    def encode(self, rgb: Tensor, stamp: tuple[int, int]) -> Iterator[Coded]:
        """Codes (H, W, 3 or 4), uint8."""
        file = io.BytesIO()
        Image.fromarray(rgb.numpy()).save(file, "PNG", compress_level=_PNG_LEVEL)
        yield Coded(*stamp, key=True, data=file.getvalue())

    def finish(self) -> Iterator[Coded]:
        """Yields nothing, as no frame is delayed."""
        return iter(())


def choose(
    container: Container,
    facts: Facts,
    size: tuple[int, int],
    codec: str | None,
    crf: int | None,
) -> tuple[Clock, Encoding | None]:
    """The time stamps and the coding of a result; no coding for animations.

    Args:
        container: Container of the result.
        facts: Facts about the source.
        size: (height, width) of the result.
        codec: A name in `CODECS`, or None for the most widely supported codec.
        crf: Constant rate factor, or None for the codec's default.

    Raises:
        ConfigError, VideoError: If the container cannot hold the codec, or as `Encoding` does.
    """
    clock = Clock(facts, milliseconds=container.milliseconds)
    if container.is_animation:
        return clock, None
    name = codec or _default(container, facts)
    if name not in container.codecs:
        known = ", ".join(container.codecs)
        raise ConfigError(f"{container.format} files are not written with {name}; use {known}")
    return clock, Encoding(name, CODECS[name].crf if crf is None else crf, facts, size, clock.tick)


def _default(container: Container, facts: Facts) -> str:
    """The codec that keeps most and plays in most places."""
    deep = facts.colour.deep
    if facts.colour.transparent and container.clear_codec and can_store_opacity():
        return "prores" if deep and "prores" in container.codecs else container.clear_codec
    return container.deep_codec if deep else container.codecs[0]
