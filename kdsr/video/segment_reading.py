"""A film in segments of equal length, each of which can be worked on apart from the others."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

from . import segments
from .clock import Clock
from .film import Film, Frame
from .first_pass import frames_of


class Shot(NamedTuple):
    """A frame of a film, and which it is there."""

    place: int
    frame: Frame
    stamp: tuple[int, int]
    """As `Clock.stamp` gives it."""


class SegmentReader:
    """Gives the frames of any segment; fastest in the order of the film.

    Going back means to begin anew. What lies between is decoded, as damaged files cannot be
    searched safely, but not made into pixels.

    Args:
        film: To read.
        clock: Makes one that has seen no frame.
    """

    def __init__(self, film: Film, clock: Callable[[], Clock]) -> None:
        self._film, self._clock = film, clock
        self._groups: Iterator[tuple[int, Iterator[Shot]]] = iter(())
        self._next: int | None = None  # the next segment; None before the film is opened
        self._shots: Iterator[Shot] | None = None
        self.damaged = 0
        """Packets that could not be decoded, once the film was read to its end."""

    def shots(self, number: int) -> Iterator[Shot]:
        """The frames of a segment; none if the film ends before."""
        if self._next is None or number < self._next:
            self.close()
            self._shots = self._read()
            self._groups = groupby(self._shots, lambda shot: shot.place // segments.SEGMENT)
        self._next = number + 1
        return next((shots for found, shots in self._groups if found == number), iter(()))

    def close(self) -> None:
        """Closes the film."""
        if self._shots is not None:
            self._shots.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator
        self._groups, self._shots, self._next = iter(()), None, None

    def _read(self) -> Iterator[Shot]:
        clock = self._clock()
        with self._film.open() as reading:
            for place, frame in enumerate(frames_of(reading)):
                yield Shot(place, frame, clock.stamp(frame))
                del frame  # its pixels are free while the next are decoded
            self.damaged = reading.damaged
