"""Time stamps: corrects those of the source, and makes those of the result."""

from collections import Counter, deque
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from .film import Facts, Frame, Missing

if TYPE_CHECKING:
    import av
    from av.stream import Stream


_JOINABLE = ("mpegts", "mpeg")  # formats whose files make one file when one follows the other
_BACK = Fraction(1, 10)  # seconds; a step back by more is another file's beginning, as in ffmpeg
_AHEAD = 10  # seconds; likewise a step ahead


class Stamps:
    """Corrects the time stamps of one file's packets, in file order.

    In a file joined from several, the clock starts anew at each joint, in each stream at its own
    place. The first stream to reach a joint decides the shift of the rest. The other streams
    follow, so that sound stays with its pictures.

    Args:
        form: FFmpeg's name of the container.
    """

    def __init__(self, form: str) -> None:
        self.joinable = form in _JOINABLE
        self._shifts: list[Fraction] = [Fraction(0)]  # seconds, for each part of the file
        self._part: dict[int, int] = {}  # stream -> the part that it is in
        self._next: dict[int, Fraction] = {}  # stream -> when its next packet is due, as stored
        self._last: dict[int, int] = {}  # stream -> its last stamp in the result

    def mend(self, packet: "av.Packet") -> None:
        """Corrects the time stamps of a packet."""
        tick, stamp = packet.time_base, packet.dts
        if not self.joinable or stamp is None or not tick:
            return
        stored, stream = stamp * tick, packet.stream.index
        due = self._next.get(stream, stored)
        part = self._part.setdefault(stream, 0)
        if not -_BACK <= stored - due <= _AHEAD:
            part = self._part[stream] = part + 1
            if part == len(self._shifts):
                self._shifts.append(self._shifts[-1] + due - stored)
        self._next[stream] = stored + (packet.duration or 0) * tick
        shift = round(self._shifts[part] / tick)
        packet.dts = stamp + shift
        if packet.pts is not None:
            packet.pts += shift

    def rise(self, packet: "av.Packet") -> None:
        """Makes the stamps of a sound's packets rise, as every container requires."""
        if packet.stream.type != "audio" or packet.dts is None:
            return
        # Parts may overlap. The step stays visible in the coarser ticks of any container.
        step = max(1, (packet.duration or 0) // 100)
        least = self._last.get(packet.stream.index, packet.dts - step) + step
        packet.dts = max(packet.dts, least)
        packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        self._last[packet.stream.index] = packet.dts


class Holes:
    """Counts missing packets of sound in transport and program streams, by their time stamps.

    A packet with a wrong length swallows the next ones, and FFmpeg reports nothing.
    """

    def __init__(self) -> None:
        self.found: Counter[Stream] = Counter()
        self._due: dict[Stream, int] = {}  # when the next packet is expected

    def look(self, packet: "av.Packet") -> None:
        """Takes a packet with corrected times."""
        source, ticks = packet.stream, packet.duration or 0
        if source.type != "audio" or source.container.format.name not in _JOINABLE or not ticks:
            return
        stamp = packet.dts or 0
        hole = round((stamp - self._due.get(source, stamp)) / ticks)
        self._due[source] = stamp + ticks
        if hole > 0:
            self.found[source] += hole


class Slots:
    """Display times of the frames in an AVI file.

    Its packets are stored in the order of decoding, one for each tick of a constant rate; ticks
    without a packet repeat the frame before. As frames come out in the order in which they are
    shown, the first belongs to the first tick that has a packet.
    """

    def __init__(self) -> None:
        self._waiting: deque[Fraction] = deque()

    def add(self, packet: "av.Packet") -> None:
        """Takes a packet that goes to the decoder."""
        if packet.dts is not None and packet.time_base and packet.size:
            self._waiting.append(packet.dts * packet.time_base)

    def drop(self) -> None:
        """The last packet gave nothing."""
        if self._waiting:
            self._waiting.pop()

    def take(self) -> Fraction | None:
        """Seconds, of the next frame."""
        return self._waiting.popleft() if self._waiting else None


_WAITING = 5  # frames that are stored before others that are shown before them


@dataclass
class Extent:
    """End of a file's pictures, by its packets."""

    ticks: bool
    """There is a packet, or none, for each tick of a constant rate: AVI."""
    count: int = 0
    """Packets."""
    first: Fraction | None = None
    """Seconds, when the first picture is shown."""
    end: Fraction = Fraction(0)
    """Seconds, when the last one ends."""

    def add(self, start: Fraction, duration: Fraction) -> None:
        """Takes a packet that is shown so."""
        self.count += 1
        self.first = start if self.first is None else min(self.first, start)
        self.end = max(self.end, start + duration)

    def left_until(self, end: Fraction, rate: Fraction, *, about: bool) -> Missing:
        """The frames that are not there.

        Args:
            end: Seconds, when all pictures end.
            rate: Frames a second; where it varies, that of the frames that are there is taken.
            about: The end is not exactly that of the pictures.
        """
        first = self.first or Fraction(0)
        promised, dropped = (end - first) * rate, (self.end - first) * rate - self.count
        if self.ticks:
            promised -= dropped
        elif dropped > _WAITING:
            promised, about = (end - first) * self.count / (self.end - first), True
        return Missing(max(0, round(promised) - self.count), about)


_LARGEST_TICKS = 1_000_000  # a second; FFmpeg's time bases are pairs of 32-bit integers
_FINE_TICKS = 90_000


class Clock:
    """Gives each frame its time stamp; is told every frame, in order.

    What the source says exactly is kept exactly. Where it rounds (Matroska counts in milliseconds),
    times that agree with a constant frame rate as well as it can say it are put right, so that
    the rate stays what it was.

    Args:
        facts: Facts about the source.
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
