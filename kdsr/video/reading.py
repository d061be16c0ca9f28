"""A video file, decoded frame by frame, with its sound as it is."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, cast

from ..errors import VideoError
from .colour import Colour
from .film import Facts, Frame
from .pyav import explained, load_av

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.container.core import Chapter
    from av.stream import Stream

_READING = "the video cannot be read"
_COARSE = Fraction(1, 1000)
_EXACT = ("mov,mp4,m4a,3gp,3g2,mj2", "avi")  # what is said there is meant, coarse or not
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoFile:
    """A file, or the bytes of one.

    Raises:
        VideoError: On use, if there is no video in it or it is damaged.
    """

    file: str | io.BytesIO
    start: Fraction = Fraction(0)
    """Seconds to leave out at the beginning."""
    duration: Fraction | None = None
    """Seconds to read; None for all."""

    def facts(self) -> Facts:
        """Reads the header and the first frame."""
        av = load_av()
        with self._container() as container:
            stream = _pictures(container)
            frame = _first_frame(container, stream)
            context = stream.codec_context
            turned = frame.rotation % 180 != 0
            aspect = Fraction(stream.sample_aspect_ratio or 1)
            tick = stream.time_base or Fraction(1, av.time_base)
            rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
            rounded = tick >= _COARSE and container.format.name not in _EXACT
            return Facts(
                height=frame.width if turned else frame.height,
                width=frame.height if turned else frame.width,
                frames=self._count(container, rate),
                rate=rate,
                tick=tick,
                precision=tick if rounded else Fraction(0),
                aspect=1 / aspect if turned else aspect,
                colour=Colour.of(frame, context),
                metadata=dict(container.metadata),
                interlaced=bool(frame.interlaced_frame),
            )

    @contextmanager
    def open(self, *, pictures: bool = True) -> Iterator["FileReading"]:
        """Begins to read.

        Args:
            pictures: Or else the other streams alone, which takes no decoding.
        """
        facts = self.facts()
        with self._container() as container:
            reading = FileReading(container, facts, self.start, self.duration)
            reading.pictures = pictures
            yield reading

    @contextmanager
    def _container(self) -> Iterator["InputContainer"]:
        av = load_av()
        if isinstance(self.file, io.BytesIO):
            self.file.seek(0)
        with explained(_READING):
            container = av.open(self.file)
        with container:
            _pictures(container)
            yield container

    def _count(self, container: "InputContainer", rate: Fraction) -> int:
        seconds = Fraction(container.duration or 0, load_av().time_base) - self.start
        if self.duration is not None:
            seconds = min(seconds, self.duration)
        elif not self.start and _pictures(container).frames:
            return _pictures(container).frames
        return max(1, round(seconds * rate))


class FileReading:
    """A video file while it is read; see `kdsr.video.film.Reading`."""

    def __init__(
        self,
        container: "InputContainer",
        facts: Facts,
        start: Fraction,
        duration: Fraction | None,
    ) -> None:
        self.container = container
        self.facts = facts
        self.pictures = True
        self.video = _pictures(container)
        self.video.thread_type = "AUTO"
        # A stream without a context has no decoder, and nothing can be made of it.
        others = (*container.streams.audio, *container.streams.subtitles)
        self.sound: list[Stream] = [s for s in others if s.codec_context is not None]
        kept = {self.video.index, *(stream.index for stream in self.sound)}
        self.left_out: list[Stream] = [s for s in container.streams if s.index not in kept]
        """Covers, attachments, data, further pictures: nothing that is written holds them."""
        self.start = start
        self.end = start + duration if duration is not None else None
        # Recordings of broadcasts begin at any time. Less than a second is kept as it is: FFmpeg
        # does not always say the start right.
        began = Fraction(container.start_time or 0, load_av().time_base)
        self.zero = start or (began if began >= 1 else Fraction(0))
        self.expected: Fraction | None = None
        # AVI knows the order of storage only, and a constant rate.
        self.counted = container.format.name == "avi"
        self.damaged = 0

    @property
    def chapters(self) -> "list[Chapter]":
        """Of the whole file; none where this PyAV does not know of them."""
        if not hasattr(self.container, "chapters"):  # 14.2, which ComfyUI 0.3.64 accepts
            return []
        moved = self.container.chapters()
        for chapter in moved:
            shift = round(self.zero / (chapter["time_base"] or 1))
            chapter["start"] -= shift
            chapter["end"] -= shift
        return moved

    def __iter__(self) -> Iterator["Frame | av.Packet"]:
        """Frames and packets as they come; what cannot be decoded is left out."""
        av = load_av()
        if self.start:
            with explained(_READING):
                self.container.seek(round(self.start * av.time_base))
        waiting: set[Stream] = {*self.sound}
        if self.pictures:
            waiting.add(self.video)
        packets = self.container.demux(*waiting) if waiting else iter(())
        while waiting and (packet := self._next(packets)) is not None:
            if packet.stream not in waiting:
                continue
            if packet.stream is self.video:
                items = self._frames(packet)
            else:
                items = [packet] if packet.dts is not None else []  # an empty one ends it
            for item in items:
                time = self._time(item)
                if self.end is not None and time >= self.end:
                    waiting.discard(packet.stream)
                elif not self.start or time >= self.start:
                    yield self._given(item, time)
        if self.damaged:
            _log.warning("%d packets of the video are damaged and were left out", self.damaged)

    def _next(self, packets: Iterator["av.Packet"]) -> "av.Packet | None":
        with explained(_READING):
            return next(packets, None)

    def _frames(self, packet: "av.Packet") -> "Sequence[av.VideoFrame]":
        try:
            return packet.decode()
        except load_av().error.InvalidDataError:
            self.damaged += 1
            return []

    def _time(self, item: "av.Packet | av.VideoFrame") -> Fraction:
        """Seconds in the file; a frame without a time stamp follows the last one."""
        picture = isinstance(item, load_av().VideoFrame)
        if picture and self.expected is not None and (self.counted or item.pts is None):
            return self.expected
        pts = item.dts if item.pts is None else item.pts
        return self.zero if pts is None or not item.time_base else pts * item.time_base

    def _given(self, item: "av.Packet | av.VideoFrame", time: Fraction) -> "Frame | av.Packet":
        import av

        return self._picture(item, time) if isinstance(item, av.VideoFrame) else self._moved(item)

    def _moved(self, packet: "av.Packet") -> "av.Packet":
        if packet.time_base and packet.dts is not None:
            shift = round(self.zero / packet.time_base)
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
        return packet

    def _picture(self, image: "av.VideoFrame", time: Fraction) -> Frame:
        facts = self.facts
        turned = image.rotation % 180 != 0
        size = (image.width, image.height) if turned else (image.height, image.width)
        if size != (facts.height, facts.width):
            raise VideoError(
                f"the size of the video changes from {facts.width} x {facts.height} to "
                f"{size[1]} x {size[0]} px on its way; convert it to one size first"
            )
        ticks = getattr(image, "duration", 0)  # later than PyAV 14.2, which ComfyUI 0.3.64 accepts
        duration = ticks * image.time_base if ticks and image.time_base else 1 / facts.rate
        self.expected = time + duration
        return Frame(partial(facts.colour.to_rgb, image), time - self.zero, duration)


def _pictures(container: "InputContainer") -> "av.VideoStream":
    """The first video stream that is none: covers of songs are coded as videos of one frame."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    found = ", ".join(kinds) or "nothing"
    raise VideoError(f"{_READING}: it has no moving pictures, only {found}")


def _first_frame(container: "InputContainer", stream: "av.VideoStream") -> "av.VideoFrame":
    """The first that can be decoded."""
    with explained(_READING):
        for packet in container.demux(stream):
            with suppress(load_av().error.InvalidDataError):  # reading says how many are damaged
                if frames := packet.decode():
                    return cast("av.VideoFrame", frames[0])
    raise VideoError(f"{_READING}: it has no frames")
