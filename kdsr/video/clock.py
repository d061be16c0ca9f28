"""The time stamps of the result: those of the source, in whole ticks that go up."""

from fractions import Fraction

from .film import Facts, Frame

_LARGEST_TICKS = 1_000_000  # a second; FFmpeg's time bases are pairs of 32-bit integers
_FINE_TICKS = 90_000


class Clock:
    """Gives each frame its time stamp; is told every frame, in order.

    What the source says exactly is kept exactly. Where it rounds (Matroska counts in milliseconds),
    times that agree with a constant frame rate as well as it can say it are put right, so that
    the rate stays what it was.

    Args:
        facts: Of the source.
        milliseconds: The result rounds to these itself: then nothing is put right.
    """

    def __init__(self, facts: Facts, *, milliseconds: bool = False) -> None:
        rate = facts.rate
        self.facts = facts
        self.exact = milliseconds or not facts.precision
        self.tick = Fraction(1, facts.tick.denominator)
        """Seconds; the unit of the time stamps."""
        if not self.exact and rate.numerator <= _LARGEST_TICKS:
            self.tick = Fraction(1, rate.numerator * -(-_FINE_TICKS // rate.numerator))
        elif self.tick.denominator > _LARGEST_TICKS:
            self.tick = Fraction(1, _LARGEST_TICKS)
        self._first: Fraction | None = None
        self._last = -1

    def stamp(self, frame: Frame) -> tuple[int, int]:
        """(when a frame is shown, for how long) in ticks.

        Damaged files repeat time stamps or step back, which most containers cannot.
        """
        if self._first is None:
            self._first = frame.time
        shown = self._last = max(self._ticks(frame.time, self._first), self._last + 1)
        end = self._ticks(frame.time + frame.duration, self._first)
        return shown, max(1, end - shown)

    def _ticks(self, time: Fraction, first: Fraction) -> int:
        if not self.exact:
            rate = self.facts.rate
            even = first + round((time - first) * rate) / rate
            time = even if abs(even - time) <= self.facts.precision else time
        return round(time / self.tick)
