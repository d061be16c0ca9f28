"""What a video is to the two passes: facts, and frames and packets of sound in order of time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ..files.metadata import Metadata
from ..upscaling.resizing import bleed
from .colour import Colour
from .hdr import HDR
from .headers import Crop

if TYPE_CHECKING:
    import av
    from av.stream import Stream


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
    tick: Fraction
    """Seconds; the unit of the source's time stamps."""
    precision: Fraction
    """Seconds that a time stamp of the source may be off by; 0 where it says them exactly."""
    aspect: Fraction
    """Width of a pixel, as it is shown, over its height."""
    colour: Colour
    metadata: dict[str, str]
    interlaced: bool = False
    """Its frames are two pictures each, line by line."""
    plays: int = 0
    """How often an animation is shown; 0 is without end."""
    track: dict[str, str] = field(default_factory=dict)
    """Language and title of the pictures."""
    hdr: HDR | None = None
    crop: Crop = field(default_factory=Crop)
    """What is cut from the decoded pictures; the sizes above are without it."""
    first: Fraction = Fraction(0)
    """Seconds at which the first picture is shown, as the file counts."""
    about: Metadata = field(default_factory=Metadata)
    """What an animation says as images do: EXIF, XMP, texts, comments."""
    lossless: bool = False
    """An animation keeps every value; it is then written so where that is a choice."""
    left_out: tuple[str, ...] = ()
    """What the file says of its pictures and no result can say, in words."""

    def stripped(self) -> "Facts":
        """Without what need not be known to show it: titles, dates, places, texts."""
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
        """RGB in [0, 1], (1, 3, H, W).

        Hidden pixels have the colour of the visible ones next to them, so that nothing depends on
        what a file keeps there; where all are hidden they are black.
        """
        colour, alpha = self._pixels[:, :3], self.alpha
        if alpha is None:
            return colour
        return bleed(colour, alpha) if alpha.any() else torch.zeros_like(colour)

    @property
    def alpha(self) -> Tensor | None:
        """Opacity in [0, 1], (1, 1, H, W)."""
        return self._pixels[:, 3:] if self._pixels.shape[1] == 4 else None


class Reading(Protocol):
    """A video while it is read."""

    @property
    def sound(self) -> "Sequence[Stream]":
        """Streams whose packets come along: sound, and subtitles."""
        ...

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded, so far."""
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
