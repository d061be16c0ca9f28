"""Detects from a film's blocks whether the file is cut off."""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .probing import EBML, FIRST_BOXES, MOV, SEGMENT, number


class Ending(NamedTuple):
    """Facts about the end of a file."""

    cut: bool = False
    """Whether the file ends before its blocks do."""
    parts: bool = False
    """Whether it is an MP4 in fragments, whose header does not state their number."""

    @classmethod
    def of(cls, path: Path, form: str) -> "Ending":
        """Checks the end of a file; files without such facts, and pipes, count as complete.

        Args:
            path: The file.
            form: FFmpeg's name of its format.
        """
        read = _READERS.get(form)
        # A number that is not there, or no file: FFmpeg says why, if it matters.
        with suppress(OSError, struct.error, ValueError):
            if read is not None:
                with path.open("rb") as file:
                    return read(file, file.seek(0, 2))
        return cls()


def _end_of_riff(file: BinaryIO, there: int) -> Ending:
    """Checks an AVI; OpenDML files have several parts."""
    place = 0
    while place + 8 <= there:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF":
            return Ending()
        place += 8 + length + length % 2
    return Ending(place > there + 1)


def _end_of_mov(file: BinaryIO, there: int) -> Ending:
    place, parts = 0, False
    while place < there:
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return Ending(cut=True, parts=parts)
        length, name = struct.unpack(">I4s", head[:8])
        if place == 0 and name not in FIRST_BOXES:
            return Ending()
        if length == 1:
            (length,) = struct.unpack(">Q", head[8:])
        if length < 8:  # to the end of the file, or no box
            return Ending(parts=parts)
        parts, place = parts or name == b"moof", place + length
    return Ending(place > there, parts)


def _end_of_matroska(file: BinaryIO, there: int) -> Ending:
    file.seek(0)
    head = file.read(_HEAD)
    if not head.startswith(EBML):
        return Ending()
    _, place = number(head, 0, marked=True)
    size, place = number(head, place, marked=False)
    name, place = number(head, place + size, marked=True)
    known = head[place : place + 8]
    size, start = number(head, place, marked=False)
    unknown = size == (1 << 7 * (start - place)) - 1  # of a stream that was sent as it was made
    return Ending(name == SEGMENT and bool(known) and not unknown and start + size > there)


def _end_of_ogg(file: BinaryIO, there: int) -> Ending:
    file.seek(max(0, there - _LARGEST_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS")
    return Ending(at < 0 or at + 5 >= len(tail) or not tail[at + 5] & 4)  # the mark of the last


def _end_of_asf(file: BinaryIO, there: int) -> Ending:
    file.seek(0)
    head = file.read(_HEAD)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or head[at + 88] & 1:  # sent as it was made
        return Ending()
    return Ending(int.from_bytes(head[at + 40 : at + 48], "little") > there)


def _end_of_ts(file: BinaryIO, there: int) -> Ending:
    """Checks a transport stream for a break within a packet, or within the packets' content."""
    file.seek(max(0, there - _TAIL))
    tail = file.read()
    for size, after in _TS_PACKETS:
        last = _last_sync(tail, size)
        if last is not None:
            starts = range(last, -1, -size)[::-1]
            whole = len(tail) - last == after
            return Ending(not whole or _is_unfinished(tail[at : at + _TS_PACKET] for at in starts))
    return Ending()


def _last_sync(tail: bytes, size: int) -> int | None:
    """Start of the last packet, which may be cut; None for other packet sizes."""
    for last in range(len(tail) - 1, max(-1, len(tail) - size - 1), -1):
        before = tail[last::-size][:_SYNCS]
        if len(before) >= _FEWEST_SYNCS and not before.strip(_SYNC):
            return last
    return None


def _is_unfinished(packets: Iterator[bytes]) -> bool:
    """Whether a sound or picture is shorter than announced; pictures may announce no length."""
    open_: dict[int, int] = {}  # bytes that are to come, by stream
    for packet in packets:
        stream = int.from_bytes(packet[1:3], "big") & 0x1FFF
        content = packet[4 + (1 + packet[4] if packet[3] & 0x20 else 0) :]
        if packet[3] & 0xC0 or not packet[3] & 0x10:  # scrambled, or without content
            continue
        if packet[1] & 0x40:  # something begins
            open_.pop(stream, None)
            length = int.from_bytes(content[4:6], "big")
            if content.startswith(_START) and length:
                open_[stream] = 6 + length - len(content)
        elif stream in open_:
            open_[stream] -= len(content)
    return any(left > 0 for left in open_.values())


def _end_of_ps(file: BinaryIO, there: int) -> Ending:
    """Checks a program stream for a break within a packet."""
    file.seek(max(0, there - _TAIL))
    tail = file.read()
    at = tail.find(_PACK)
    while at >= 0:
        cut = _breaks_off(tail, at)
        if cut is not None:
            return Ending(cut)
        at = tail.find(_PACK, at + 1)  # those were bytes of something else
    return Ending()


def _breaks_off(tail: bytes, place: int) -> bool | None:
    """Whether a chain of packets breaks off; None if there is no chain."""
    while place < len(tail):
        start, kind = tail[place : place + 3], tail[place + 3 : place + 4]
        if start != _START or not kind:
            if _START.startswith(start):  # the first bytes of it
                return True
            return None if any(tail[place:]) else False
        if kind[0] == _PS_END:
            return False
        if kind[0] < _PS_END:  # within pictures
            return None
        head = tail[place : place + 14]
        if kind == _PACK[3:]:
            second = len(head) > 4 and head[4] >> 6 == 1  # MPEG-2, which may be stuffed
            place += 14 + (head[13] & 7 if len(head) > 13 else 0) if second else 12
        else:
            place += 6 + int.from_bytes(head[4:6], "big")
    return place > len(tail)


_HEAD = 1 << 16  # bytes
_TAIL = 1 << 20
_LARGEST_PAGE = 70_000  # bytes, of Ogg
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_TS_PACKET, _SYNC = 188, b"\x47"
_TS_PACKETS = ((_TS_PACKET, _TS_PACKET), (192, _TS_PACKET), (204, 204))
"""Bytes from packet to packet, and how many of them follow where one begins: those of M2TS have a
stamp in front, others sums behind."""
_SYNCS, _FEWEST_SYNCS = 32, 4
_START, _PACK, _PS_END = b"\x00\x00\x01", b"\x00\x00\x01\xba", 0xB9
_READERS: dict[str, Callable[[BinaryIO, int], Ending]] = {
    "avi": _end_of_riff,
    MOV: _end_of_mov,
    "matroska,webm": _end_of_matroska,
    "ogg": _end_of_ogg,
    "asf": _end_of_asf,
    "mpegts": _end_of_ts,
    "mpeg": _end_of_ps,
}
