"""A film in segments of equal length, each of which can be worked on apart from the others."""

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from .clock import Clock
from .film import Film, Frame
from .looking import frames_of

SEGMENT = 60
"""Frames: what a killed run loses at most, and how far apart the places are that players find."""


class Shot(NamedTuple):
    """A frame of a film, and which it is there."""

    place: int
    frame: Frame
    stamp: tuple[int, int]
    """As `Clock.stamp` gives it."""


class Reel:
    """Gives the frames of any segment; fastest in the order of the film.

    It winds forward, and back by beginning anew. What it winds over is decoded, as damaged files
    cannot be searched safely, but not made into pixels.

    Args:
        film: To read.
        clock: Makes one that has seen no frame.
    """

    def __init__(self, film: Film, clock: Callable[[], Clock]) -> None:
        self._film, self._clock = film, clock
        self._shots: Generator[Shot, None, None] | None = None
        self._held: Shot | None = None  # the next that is to be given
        self._index = 0  # of that, or the number of frames where there is none

    def has(self, number: int) -> bool:
        """Whether the film goes on to this segment; winds to its beginning."""
        first = number * SEGMENT
        if self._shots is None or self._index > first:
            self.close()
            self._shots, self._index = self._wound(), -1
            self._advance()
        while self._held is not None and self._index < first:
            self._advance()
        return self._held is not None

    def shots(self, number: int) -> Iterator[Shot]:
        """The frames of a segment; none if the film ends before."""
        if not self.has(number):
            return
        while self._held is not None and self._index // SEGMENT == number:
            yield self._held
            self._advance()

    def close(self) -> None:
        """Closes the film."""
        if self._shots is not None:
            self._shots.close()
        self._shots = self._held = None

    def _advance(self) -> None:
        assert self._shots is not None
        self._held = None  # its pixels are free while the next are decoded
        self._held = next(self._shots, None)
        self._index += 1

    def _wound(self) -> Generator[Shot, None, None]:
        clock = self._clock()
        with self._film.open() as reading:
            for index, frame in enumerate(frames_of(reading)):
                yield Shot(index, frame, clock.stamp(frame))
