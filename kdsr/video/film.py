"""A film as the rest sees it: facts and frames; a batch of images is one, too."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from heapq import merge
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ..errors import VideoError
from ..files.decoded_image import Metadata
from ..pixels import bleed
from .colour import Colour
from .probing import Crop
from .pyav import HDR, LAYOUTS, explained, load_av

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.stream import Stream


@dataclass(frozen=True)
class Facts:
    """Facts about a video, known before its frames are read."""

    height: int
    """Height in pixels as displayed, upright; so is the width."""
    width: int
    frames: int
    """Number of frames as the file states it, for showing progress."""
    rate: Fraction
    """Average number of frames per second."""
    tick: Fraction
    """Unit of the source's time stamps in seconds."""
    precision: Fraction
    """Seconds that a time stamp of the source may be off by; 0 where it says them exactly."""
    aspect: Fraction
    """Width of a pixel, as it is shown, over its height."""
    colour: Colour
    metadata: dict[str, str]
    interlaced: bool = False
    """Whether frames are interlaced."""
    plays: int = 0
    """Number of times that an animation is shown; 0 for endless."""
    track: dict[str, str] = field(default_factory=dict)
    """Language and title of the pictures."""
    hdr: HDR | None = None
    crop: Crop = field(default_factory=Crop)
    """Crop of the decoded pictures; the sizes above are after it."""
    first: Fraction = Fraction(0)
    """Seconds at which the first picture is shown, as the file counts."""
    about: Metadata = field(default_factory=Metadata)
    """Image metadata of an animation: EXIF, XMP, texts, comments."""
    lossless: bool = False
    """An animation keeps every value; it is then written so where that is a choice."""
    chapters: frozenset[int] = frozenset()
    """Numbers of the tracks that hold the names of chapters."""
    left_out: tuple[str, ...] = ()
    """Descriptions of picture metadata that no result can hold."""

    def stripped(self) -> "Facts":
        """A copy without metadata that playback does not need: titles, dates, places, texts."""
        track = {name: said for name, said in self.track.items() if name == "language"}
        return replace(self, metadata={}, track=track, about=Metadata())


@dataclass(frozen=True)
class Frame:
    """A picture of a video."""

    decode: Callable[[], Tensor]
    """Makes (1, 3, H, W), with opacity (1, 4, H, W), in [0, 1]. It is not called for frames that
    nobody looks at: those that an earlier run has done."""
    time: Fraction
    """Seconds since the beginning, when it is shown."""
    duration: Fraction
    """Seconds that it is shown for."""

    @cached_property
    def _pixels(self) -> Tensor:
        return self.decode()

    @cached_property
    def lq(self) -> Tensor:
        """RGB pixels (1, 3, H, W) in [0, 1].

        Hidden pixels have the colour of the visible ones next to them, so that nothing depends on
        what a file keeps there; where all are hidden they are black.
        """
        colour, alpha = self._pixels[:, :3], self.alpha
        if alpha is None:
            return colour
        return bleed(colour, alpha) if alpha.any() else torch.zeros_like(colour)

    @property
    def alpha(self) -> Tensor | None:
        """Opacity (1, 1, H, W) in [0, 1]."""
        return self._pixels[:, 3:] if self._pixels.shape[1] == 4 else None


@dataclass(frozen=True)
class Missing:
    """Missing parts of a file."""

    frames: int = 0
    about: bool = False
    """Number of missing frames, as far as known."""
    end: bool = False
    """Whether the end is missing by an unknown amount."""
    sound: bool = False
    """Whether only sound is missing."""

    def __bool__(self) -> bool:
        return self.frames > 0 or self.end or self.sound

    def __str__(self) -> str:
        frames = f"{'about ' * self.about}{self.frames} of its frames" if self.frames else ""
        parts = (frames, "its end" * self.end, "some of its sound" * self.sound)
        said = " and ".join(filter(None, parts))
        return f"{said} {'are' if frames else 'is'} missing"

    def more(self, damaged: int) -> "Missing":
        """A copy that counts further frames, which cannot be decoded."""
        return replace(self, frames=self.frames + damaged)


class Reading(Protocol):
    """A video while it is read."""

    @property
    def sound(self) -> "Sequence[Stream]":
        """Streams whose packets come along: sound, and subtitles."""
        ...

    @property
    def damaged(self) -> int:
        """Number of packets so far that could not be decoded."""
        ...

    def __iter__(self) -> "Iterator[Frame | av.Packet]":
        """Frames, and the packets of `sound`, as they come; time stamps begin at 0."""
        ...

    def missing(self) -> Missing:
        """Frames that the file promises and has not; after all were taken."""
        ...


class Film(Protocol):
    """A video that can be read from its beginning any number of times."""

    def facts(self) -> Facts:
        """Facts about the film, known before it is read."""
        ...

    def open(self) -> AbstractContextManager[Reading]:
        """Begins to read."""
        ...


_BIT_RATE = 192_000


@dataclass(frozen=True, eq=False)
class Waveform:
    """Sound as numbers.

    Raises:
        VideoError: If it has another shape or number of channels.
    """

    samples: Tensor
    """(channels, samples) in [-1, 1]; 1, 2 or 6 channels."""
    rate: int
    """Samples a second."""

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or len(self.samples) not in LAYOUTS:
            raise VideoError(
                "expected sound of 1, 2 or 6 channels as (channels, samples), got shape "
                f"{tuple(self.samples.shape)}"
            )

    def encoded(self) -> io.BytesIO:
        """Encodes the sound as AAC in an MP4 file, second by second."""
        av = load_av()
        file = io.BytesIO()
        layout = LAYOUTS[len(self.samples)]
        with explained("the sound cannot be encoded"), av.open(file, "w", format="mp4") as output:
            stream = output.add_stream("aac", rate=self.rate, layout=layout)
            stream.bit_rate = _BIT_RATE
            for first in range(0, self.samples.shape[1], self.rate):
                part = self.samples[:, first : first + self.rate].float().cpu().contiguous()
                frame = av.AudioFrame.from_ndarray(part.numpy(), "fltp", layout)
                frame.sample_rate, frame.pts = self.rate, first
                frame.time_base = Fraction(1, self.rate)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        file.seek(0)
        return file


@dataclass(frozen=True, eq=False)
class Images:
    """Frames of a video as a tensor; see `kdsr.video.film.Film`.

    Raises:
        VideoError: If there are none.
    """

    frames: Tensor
    """RGB in [0, 1], (N, 3, H, W); with opacity (N, 4, H, W)."""
    rate: Fraction
    """Frames a second."""
    waveform: Waveform | None = None
    deep: bool = False
    """Make the result 10 bits a channel, not 8."""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[1] not in (3, 4) or 0 in self.frames.shape:
            raise VideoError(
                "expected the frames of a video as (frames, 3 or 4, height, width), got shape "
                f"{tuple(self.frames.shape)}"
            )

    def facts(self) -> Facts:
        """Facts about the film."""
        count, _, height, width = self.frames.shape
        return Facts(
            height=height,
            width=width,
            frames=count,
            rate=self.rate,
            tick=1 / self.rate,
            precision=1 / self.rate,
            aspect=Fraction(1),
            colour=Colour.of_images(deep=self.deep, transparent=self.frames.shape[1] == 4),
            metadata={},
        )

    @contextmanager
    def open(self) -> "Iterator[ImagesReading]":
        """Begins to read."""
        if self.waveform is None:
            yield ImagesReading(self, None)
            return
        with load_av().open(self.waveform.encoded()) as container:
            yield ImagesReading(self, container)


class ImagesReading:
    """Reads the frames; see `kdsr.video.film.Reading`."""

    def __init__(self, images: Images, container: "InputContainer | None") -> None:
        self.images = images
        self.container = container
        self.damaged = 0
        self.sound: Sequence[Stream] = container.streams.audio if container is not None else ()

    def __iter__(self) -> "Iterator[Frame | av.Packet]":
        """Frames and packets in order of time, so that the muxer need not hold back either."""
        for _, item in merge(self._frames(), self._packets(), key=lambda timed: timed[0]):
            yield item

    def missing(self) -> Missing:
        """None: see `kdsr.video.film.Reading`."""
        return Missing()

    def _frames(self) -> Iterator[tuple[Fraction, Frame]]:
        step = 1 / self.images.rate
        for index, frame in enumerate(self.images.frames):
            decode = partial(_plain, frame)
            yield index * step, Frame(decode, index * step, step)

    def _packets(self) -> "Iterator[tuple[Fraction, av.Packet]]":
        if self.container is None:
            return
        end = len(self.images.frames) / self.images.rate
        for packet in self.container.demux(self.sound[0]):
            if packet.pts is not None and packet.pts * packet.time_base < end:
                yield packet.pts * packet.time_base, packet


def _plain(frame: Tensor) -> Tensor:
    return frame[None].to("cpu", torch.float32).clamp(0, 1)
