"""A video file, decoded frame by frame, with its sound as it is."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import Tensor

from ..errors import VideoError
from .clock import Extent, Slots, Stamps
from .colour import Colour
from .endings import Ending
from .film import Facts, Frame, Missing
from .probing import (
    MOV,
    READING,
    Crop,
    Header,
    decoder_of,
    end_of,
    first_frame,
    pictures_of,
    rate_of,
    shows_again,
    unsaid,
)
from .pyav import HDR, Orientation, explained, load_av
from .writing import names_of

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.container.core import Chapter
    from av.stream import Stream

_COARSE = Fraction(1, 1000)
_EXACT = (MOV, "avi")  # what is said there is meant, coarse or not
_SURE = (MOV, "matroska,webm", "flv", "asf")  # the header says how long the file is
_TOLERANCE = 1.5  # frames that may be missing at the end: lengths are rounded
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
            stream = pictures_of(container)
            frame = first_frame(container, stream)
            header = self._header(frame)
            height, width = _size(frame, header.crop)
            aspect = Fraction(stream.sample_aspect_ratio or 1)
            tick = stream.time_base or Fraction(1, av.time_base)
            rate = rate_of(stream)
            rounded = tick >= _COARSE and container.format.name not in _EXACT
            return Facts(
                height=height,
                width=width,
                frames=self._count(container, rate),
                rate=rate,
                tick=tick,
                precision=tick if rounded else Fraction(0),
                aspect=1 / aspect if Orientation.of(frame).transposed else aspect,
                colour=Colour.of(frame, stream.codec_context),
                metadata=dict(container.metadata),
                interlaced=bool(frame.interlaced_frame),
                track=names_of(stream),
                hdr=HDR.of(frame),
                crop=header.crop,
                first=_seconds(frame),
                chapters=header.chapters,
                left_out=tuple(unsaid(frame, header)),
            )

    @contextmanager
    def open(self, *, pictures: bool = True) -> Iterator["FileReading"]:
        """Begins to read.

        Args:
            pictures: Whether to decode pictures; otherwise only other streams are read.
        """
        facts = self.facts()
        with self._container() as container:
            yield FileReading(container, facts, self.start, self.duration, pictures=pictures)

    @contextmanager
    def _container(self) -> Iterator["InputContainer"]:
        av = load_av()
        if isinstance(self.file, io.BytesIO):
            self.file.seek(0)
        with explained(READING):
            container = av.open(self.file)
        with container:
            pictures_of(container)
            yield container

    def _header(self, frame: "av.VideoFrame") -> Header:
        if isinstance(self.file, io.BytesIO):
            return Header()
        return Header.of(Path(self.file), (frame.height, frame.width))

    def _count(self, container: "InputContainer", rate: Fraction) -> int:
        seconds = Fraction(container.duration or 0, load_av().time_base) - self.start
        if self.duration is not None:
            seconds = min(seconds, self.duration)
        elif not self.start and pictures_of(container).frames:
            return pictures_of(container).frames
        return max(1, round(seconds * rate))


class FileReading:
    """A video file while it is read; see `kdsr.video.film.Reading`."""

    def __init__(
        self,
        container: "InputContainer",
        facts: Facts,
        start: Fraction,
        duration: Fraction | None,
        *,
        pictures: bool,
    ) -> None:
        self.container = container
        self.facts = facts
        self.pictures = pictures
        self.video = pictures_of(container)
        self.decoder = decoder_of(self.video)
        # A stream without a context has no decoder, and nothing can be made of it.
        others = (*container.streams.audio, *container.streams.subtitles)
        self.sound: list[Stream] = [s for s in others if s.codec_context is not None]
        self.start = start
        self.end = start + duration if duration is not None else None
        # Recordings of broadcasts begin at any time, and before 0 where their clock starts anew.
        # Less than a second is kept as it is: FFmpeg does not always say the start right.
        began = Fraction(container.start_time or 0, load_av().time_base)
        self.zero = start or (began if began >= 1 else min(Fraction(0), facts.first))
        kept = {self.video.index, *(stream.index for stream in self.sound)}
        if self.chapters:
            kept |= {s.index for s in container.streams.data if s.id in facts.chapters}
        self.left_out: list[Stream] = [s for s in container.streams if s.index not in kept]
        """Covers, attachments, data, further pictures: nothing that is written holds them."""
        self.stamps = Stamps(container.format.name)
        self.form = container.format.name
        self.slots = Slots() if self.form == "avi" else None
        self.damaged = 0
        """Packets that could not be decoded, so far."""
        self.extent = Extent(ticks=self.slots is not None)
        self._sounded = Fraction(0)  # seconds, when the other streams end
        self._held: tuple[av.VideoFrame, Fraction] | None = None

    @property
    def chapters(self) -> "list[Chapter]":
        """Chapters of the whole file; empty for a PyAV without support."""
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
        waiting: set[Stream] = {*self.sound}
        if self.pictures or self.stamps.joinable:  # which part of a joined file is where
            waiting.add(self.video)
        for packet in self.packets(waiting):
            if packet.stream is self.video and not self.pictures:
                continue
            if packet.stream is self.video:
                items = [(image, self._time(image)) for image in self._decoded(packet)]
            else:
                items = [(packet, _seconds(packet))] if packet.dts is not None else []
            for item, time in items:
                if self.end is not None and time >= self.end:
                    waiting.discard(packet.stream)
                elif not self.start or time >= self.start:
                    yield from self._given(item, time)
        if self._held is not None:
            yield self._picture(*self._held, self._last_duration())
        if self.damaged:
            _log.warning("%d packets of the video are damaged and were left out", self.damaged)

    def packets(self, streams: "set[Stream]") -> Iterator["av.Packet"]:
        """Packets of streams as they come, their times put right; until all have been taken out.

        A file that breaks off ends there.
        """
        if self.start:
            with explained(READING):
                self.container.seek(round(self.start * load_av().time_base))
        coming = self.container.demux(*streams) if streams else iter(())
        while streams:
            try:
                with explained(READING):
                    packet = next(coming, None)
            except VideoError as error:
                if isinstance(error.__cause__, load_av().error.InvalidDataError | EOFError):
                    return
                raise
            if packet is None:
                return
            # Cut within a packet, what is there of it would be decoded to half a picture.
            if packet.stream in streams and not (packet.is_corrupt and self.form in _EXACT):
                self.stamps.mend(packet)
                self._note(packet)
                yield packet

    def missing(self) -> Missing:
        """Missing parts that the header promises; valid after the last packet."""
        if self.end is not None:
            return Missing()
        ending, end = Ending.of(Path(self.container.name), self.form), end_of(self.video)
        shown, about = self.extent.end, end is None
        if end is None:  # that of the longest stream
            length = self.container.duration or 0
            end = Fraction((self.container.start_time or 0) + length, load_av().time_base)
            shown = max(shown, self._sounded)
        late = self.form in _SURE and (end - shown) * self.facts.rate >= _TOLERANCE
        if not (ending.cut or late):
            return Missing()
        if not (end and self.form in (*_SURE, "avi")) or ending.parts:
            return Missing(end=True)
        left = self.extent.left_until(end, self.facts.rate, about=about)
        if self.form == MOV:
            left = Missing(max(0, self.video.frames - self.extent.count))
        return left if left.frames else Missing(sound=bool(self.sound))

    def _note(self, packet: "av.Packet") -> None:
        duration = Fraction((packet.duration or 0) * (packet.time_base or 0))
        if packet.size and packet.stream is self.video:
            stamp = packet.dts if self.slots is not None else None
            start = _seconds(packet) if stamp is None else Fraction(stamp * (packet.time_base or 0))
            self.extent.add(start, duration)
        elif packet.size:
            self._sounded = max(self._sounded, _seconds(packet) + duration)

    def _decoded(self, packet: "av.Packet") -> "Sequence[av.VideoFrame]":
        if shows_again(packet):
            return []
        if self.slots is not None:
            self.slots.add(packet)
        try:
            return self.decoder.decode(packet)
        except MemoryError:
            raise
        except load_av().FFmpegError:
            self.damaged += 1
            if self.slots is not None:
                self.slots.drop()
            return []

    def _time(self, image: "av.VideoFrame") -> Fraction:
        """Seconds in the file; a frame without a time stamp follows the last one."""
        if self.slots is not None and (slot := self.slots.take()) is not None:
            return slot
        if image.pts is None and image.dts is None and self._held is not None:
            return self._held[1] + self._duration(self._held[0])
        return _seconds(image)

    def _given(
        self, item: "av.Packet | av.VideoFrame", time: Fraction
    ) -> Iterator["Frame | av.Packet"]:
        if isinstance(item, load_av().VideoFrame):
            # With reordered frames, the durations of packets belong to other frames.
            if self._held is not None:
                before = self._held
                yield self._picture(*before, time - before[1])
            self._held = cast("av.VideoFrame", item), time
        else:
            yield self.moved(cast("av.Packet", item))

    def moved(self, packet: "av.Packet") -> "av.Packet":
        """A packet of sound or subtitles in the times of the result."""
        if packet.time_base and packet.dts is not None:
            shift = round(self.zero / packet.time_base)
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
        self.stamps.rise(packet)
        return packet

    def _picture(self, image: "av.VideoFrame", time: Fraction, duration: Fraction) -> Frame:
        facts = self.facts
        size = _size(image, facts.crop)
        if size != (facts.height, facts.width):
            raise VideoError(
                f"the size of the video changes from {facts.width} x {facts.height} to "
                f"{size[1]} x {size[0]} px on its way; convert it to one size first"
            )
        return Frame(partial(_pixels, facts, image), time - self.zero, duration)

    def _duration(self, image: "av.VideoFrame") -> Fraction:
        ticks = getattr(image, "duration", 0)  # later than PyAV 14.2, which ComfyUI 0.3.64 accepts
        return ticks * image.time_base if ticks and image.time_base else 1 / self.facts.rate

    def _last_duration(self) -> Fraction:
        """Until the end that the file names, where that is near."""
        assert self._held is not None
        image, time = self._held
        own, end = self._duration(image), end_of(self.video)
        left = own if end is None else end - time
        return left if 0 < left <= max(10 * own, Fraction(1)) else own


def _pixels(facts: Facts, image: "av.VideoFrame") -> Tensor:
    """Pixels of a frame as they are shown: cropped and upright."""
    crop, pixels = facts.crop, facts.colour.to_rgb(image)
    if any(crop):
        pixels = pixels[
            ..., crop.top : image.height - crop.bottom, crop.left : image.width - crop.right
        ]
    return Orientation.of(image).apply(pixels)


def _size(image: "av.VideoFrame", crop: Crop) -> tuple[int, int]:
    """(height, width) as it is shown."""
    height = image.height - crop.top - crop.bottom
    width = image.width - crop.left - crop.right
    return (width, height) if Orientation.of(image).transposed else (height, width)


def _seconds(item: "av.Packet | av.VideoFrame") -> Fraction:
    stamp = item.dts if item.pts is None else item.pts
    return Fraction(0) if stamp is None or not item.time_base else stamp * item.time_base
