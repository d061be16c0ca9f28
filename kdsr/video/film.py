"""What a video is to the two passes: facts, and frames and packets of sound in order of time."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from .colour import Colour

if TYPE_CHECKING:
    import av
    from av.stream import Stream

_LARGEST_TICKS = 1_000_000  # a second; FFmpeg's time bases are pairs of 32-bit integers


@dataclass(frozen=True)
class Facts:
    """What is known of a video before its frames are read."""

    height: int
    """Pixels, as it is shown: turned upright."""
    width: int
    frames: int
    """How many, as far as the file says; for showing progress."""
    rate: Fraction
    """Frames a second, on average."""
    precision: Fraction
    """Seconds that a time stamp of the source may be off by."""
    aspect: Fraction
    """Width of a pixel, as it is shown, over its height."""
    colour: Colour
    metadata: dict[str, str]

    @property
    def tick(self) -> Fraction:
        """Seconds; the unit of the result's time stamps, of which a frame takes a whole number."""
        if self.rate.numerator > _LARGEST_TICKS:
            return self.precision
        return Fraction(1, self.rate.numerator * -(-90_000 // self.rate.numerator))

    def ticks(self, time: Fraction, first: Fraction) -> int:
        """A time stamp in ticks.

        Times that agree with a constant frame rate as well as the source can say it (Matroska
        counts in milliseconds) are put right, so that the rate stays what it was.

        Args:
            time: Seconds.
            first: Of the first frame.
        """
        even = first + round((time - first) * self.rate) / self.rate
        return round((even if abs(even - time) <= self.precision else time) / self.tick)


@dataclass(frozen=True)
class Frame:
    """A picture of a video."""

    lq: Tensor
    """RGB in [0, 1], (1, 3, H, W)."""
    time: Fraction
    """Seconds since the beginning, when it is shown."""
    duration: Fraction
    """Seconds that it is shown for."""


class Reading(Protocol):
    """A video while it is read."""

    @property
    def sound(self) -> "Sequence[Stream]":
        """Streams whose packets come along: sound, and subtitles."""
        ...

    def __iter__(self) -> "Iterator[Frame | av.Packet]":
        """Frames, and the packets of `sound`, as they come; time stamps begin at 0."""
        ...


class Film(Protocol):
    """A video that can be read from its beginning any number of times."""

    def facts(self) -> Facts:
        """What is known of it before it is read."""
        ...

    def open(self) -> AbstractContextManager[Reading]:
        """Begins to read."""
        ...
