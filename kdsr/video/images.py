"""A video that is not a file yet: images and a waveform in memory."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from heapq import merge
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import VideoError
from .colour import Colour
from .film import Facts, Frame
from .pyav import explained, load_av

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.stream import Stream

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
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
        if self.samples.ndim != 2 or len(self.samples) not in _LAYOUTS:
            raise VideoError(
                "expected sound of 1, 2 or 6 channels as (channels, samples), got shape "
                f"{tuple(self.samples.shape)}"
            )

    def encoded(self) -> io.BytesIO:
        """As AAC in an MP4 file, a second at a time."""
        av = load_av()
        file = io.BytesIO()
        layout = _LAYOUTS[len(self.samples)]
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
        """What is known of it."""
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
    """See `kdsr.video.film.Reading`."""

    def __init__(self, images: Images, container: "InputContainer | None") -> None:
        self.images = images
        self.container = container
        self.damaged = 0
        self.sound: Sequence[Stream] = container.streams.audio if container is not None else ()

    def __iter__(self) -> "Iterator[Frame | av.Packet]":
        """Frames and packets in order of time, so that the muxer need not hold back either."""
        for _, item in merge(self._frames(), self._packets(), key=lambda timed: timed[0]):
            yield item

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
