"""What packets say of time, put right: files joined end to end, dropped frames, repeated stamps."""

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

_JOINABLE = ("mpegts", "mpeg")  # formats whose files make one file when one follows the other
_BACK = Fraction(1, 10)  # seconds; a step back by more is another file's beginning, as in ffmpeg
_AHEAD = 10  # seconds; likewise a step ahead


class Stamps:
    """Mends the packets of one file, in the order in which they come.

    Where a file was joined to another, the clock starts anew, in each stream at a place of its own.
    The first stream that gets there says by how much what follows is moved; the others follow it,
    so that sound stays with its pictures.

    Args:
        form: FFmpeg's name of the container.
    """

    def __init__(self, form: str) -> None:
        self._joinable = form in _JOINABLE
        self._shifts: list[Fraction] = [Fraction(0)]  # seconds, for each part of the file
        self._part: dict[int, int] = {}  # stream -> the part that it is in
        self._next: dict[int, Fraction] = {}  # stream -> when its next packet is due, as stored
        self._last: dict[int, int] = {}  # stream -> its last stamp in the result

    def mend(self, packet: "av.Packet") -> None:
        """Moves a packet to where it belongs."""
        tick, stamp = packet.time_base, packet.dts
        if not self._joinable or stamp is None or not tick:
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
        """Makes the stamps of a sound's packets go up, as every container wants them."""
        if packet.stream.type != "audio" or packet.dts is None:
            return
        least = self._last.get(packet.stream.index, packet.dts - 1) + 1
        packet.dts = max(packet.dts, least)
        packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        self._last[packet.stream.index] = packet.dts


class Slots:
    """When the frames of an AVI file are shown.

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
