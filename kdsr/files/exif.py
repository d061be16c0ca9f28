"""EXIF, a small TIFF, patched in place: what a camera's maker wrote stays readable. And XMP."""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

ORIENTATION, DESCRIPTION = 0x0112, 0x010E
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)  # tags that repeat the image's size
_RESOLUTIONS = (0x011A, 0x011B)
BELOW = (0x8769, 0x8825, 0xA005)
"""Tags that point to further directories."""
_THUMBNAIL, _THUMBNAIL_SIZE = 0x0201, 0x0202
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each kind."""
_WIDTHS_OF = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # of a number's bytes
_SHORT, _LONG, _RATIONAL = 3, 4, 5
DESCRIBING = (
    0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0129, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749,
    0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, *BELOW,
)  # fmt: skip
"""Tags of the first directory that describe the picture and not its storage."""


@dataclass(frozen=True)
class _Entry:
    at: int
    tag: int
    kind: int
    count: int

    @property
    def size(self) -> int:
        return SIZES.get(self.kind, 1) * self.count


class Told(NamedTuple):
    """An entry of EXIF with its value, the last byte of a number first."""

    tag: int
    value: "bytes | list[Told]"
    """A list is a directory."""
    kind: int = _LONG
    values: int = 1
    """Number of values."""


def turned(value: bytes, kind: int, order: str) -> bytes:
    """Numbers of a byte order with the last byte first."""
    if order == "<":
        return value
    width = _WIDTHS_OF.get(kind, 1)
    return b"".join(value[at : at + width][::-1] for at in range(0, len(value), width))


def packed(told: Iterable[Told]) -> bytes:
    """EXIF that says this."""
    data = bytearray(b"II*\0\x08\0\0\0")
    _put(data, sorted(told, key=lambda one: one.tag))
    return bytes(data)


def _put(data: bytearray, told: list[Told]) -> None:
    """Appends a directory."""
    at = len(data)
    data += struct.pack("<H", len(told)) + bytes(12 * len(told) + 4)
    for place, (tag, value, kind, count) in enumerate(told):
        field = value
        if isinstance(value, list) or len(value) > 4:
            data += b"\0" * (len(data) % 2)
            field = struct.pack("<I", len(data))
            if isinstance(value, list):
                _put(data, value)
            else:
                data += value
        struct.pack_into("<HHI4s", data, at + 2 + 12 * place, tag, kind, count, field)


class Exif:
    """A copy of EXIF data that can be changed.

    Args:
        data: EXIF without JPEG's prefix.

    Raises:
        ValueError: If it is no such data. What is damaged further in raises on use: struct.error.
    """

    def __init__(self, data: bytes) -> None:
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("EXIF begins with II or MM")
        self.data = bytearray(data)
        self.order = "<" if data[:2] == b"II" else ">"

    def renew(self, size: tuple[int, int], factor: float, thumbnail: bytes | None) -> bytes:
        """Says what is true of an image that was set upright and enlarged.

        Args:
            size: Its (height, width).
            factor: Enlargement of the picture, which multiplies its dots per inch.
            thumbnail: A JPEG, in place of the one that there is, if there is one; None leaves it
                out.
        """
        first = self._long(4)
        for entry in self._entries(first, below=True):
            if entry.tag == ORIENTATION:
                self._put(entry, 1)
            elif entry.tag in _WIDTHS + _HEIGHTS:
                self._put(entry, size[1] if entry.tag in _WIDTHS else size[0])
            elif entry.tag in _RESOLUTIONS and entry.kind == _RATIONAL:
                place = self._long(entry.at + 8)
                above, beneath = struct.unpack_from(self.order + "II", self.data, place)
                times = round(above * factor)
                if times < 2**32:
                    struct.pack_into(self.order + "II", self.data, place, times, beneath)
        self._replace_thumbnail(first, thumbnail)
        return bytes(self.data)

    def describes(self) -> bool:
        """Whether it has a description of the picture."""
        return any(e.tag == DESCRIPTION for e in self._entries(self._long(4), below=False))

    def moved(self, base: int) -> tuple[bytes, list[bytes]]:
        """Encodes for a TIFF of this byte order: data for `base`, and directory entries.

        Returns:
            The data with all its offsets counted from the beginning of that file, and the 12 bytes
            of each entry that speaks of the picture.
        """
        entries = list(self._entries(self._long(4), below=True))
        top = {entry.at for entry in self._entries(self._long(4), below=False)}
        for entry in entries:
            if entry.size > 4 or entry.tag in BELOW:
                self._set_long(entry.at + 8, self._long(entry.at + 8) + base)
        kept = [e for e in entries if e.at in top and e.tag in DESCRIBING]
        return bytes(self.data), [bytes(self.data[e.at : e.at + 12]) for e in kept]

    def tree(self) -> "list[Told]":
        """Tags about the picture, for files with other forms of directories.

        Values of unnamed kind, as what a camera's maker wrote, stay as they are.
        """
        return [told for told in self._tree(self._long(4), 0) if told.tag in DESCRIBING]

    def _tree(self, at: int, depth: int) -> "Iterator[Told]":
        for entry in self._entries(at, below=False):
            place = entry.at + 8 if entry.size <= 4 else self._long(entry.at + 8)
            value = bytes(self.data[place : place + entry.size])
            value = turned(value, entry.kind, self.order)
            if entry.tag in BELOW and depth < 2:
                yield Told(entry.tag, list(self._tree(self._long(entry.at + 8), depth + 1)))
            elif len(value) == entry.size:
                yield Told(entry.tag, value, entry.kind, entry.count)

    def _replace_thumbnail(self, first: int, thumbnail: bytes | None) -> None:
        link = first + 2 + 12 * self._short(first)
        second = self._long(link)
        if not second:
            return
        found = {entry.tag: entry for entry in self._entries(second, below=False)}
        if _THUMBNAIL in found and _THUMBNAIL_SIZE in found:
            place = self._long(found[_THUMBNAIL].at + 8)
            size = min(self._long(found[_THUMBNAIL_SIZE].at + 8), len(self.data) - place)
            if place + size == len(self.data):
                del self.data[place:]
            elif size > 0:
                self.data[place : place + size] = bytes(size)
            if thumbnail is not None:
                self._put(found[_THUMBNAIL], len(self.data))
                self._put(found[_THUMBNAIL_SIZE], len(thumbnail))
                if ORIENTATION in found:
                    self._put(found[ORIENTATION], 1)
                self.data += thumbnail
                return
        self._set_long(link, 0)

    def _entries(self, at: int, *, below: bool, depth: int = 0) -> Iterator[_Entry]:
        for number in range(self._short(at)):
            place = at + 2 + 12 * number
            entry = _Entry(place, *struct.unpack_from(self.order + "HHI", self.data, place))
            if below and entry.tag in BELOW and depth < 2:
                yield from self._entries(self._long(place + 8), below=True, depth=depth + 1)
            yield entry

    def _put(self, entry: _Entry, value: int) -> None:
        kind = _LONG if value > 65535 else entry.kind
        form = "HHIHH" if kind == _SHORT else "HHII"
        values = (value, 0) if kind == _SHORT else (value,)
        struct.pack_into(self.order + form, self.data, entry.at, entry.tag, kind, 1, *values)

    def _short(self, at: int) -> int:
        return struct.unpack_from(self.order + "H", self.data, at)[0]

    def _long(self, at: int) -> int:
        return struct.unpack_from(self.order + "I", self.data, at)[0]

    def _set_long(self, at: int, value: int) -> None:
        struct.pack_into(self.order + "I", self.data, at, value)


_CLAIMS = (  # of XMP, about what only the source has: elements, then attributes
    rb"<Container:Directory>.*?</Container:Directory>",
    rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>",
    rb"<(GCamera:(?:MotionPhoto|MicroVideo)\w*|hdrgm:\w+|xmpNote:HasExtendedXMP)>.*?</\1>",
    (
        rb"\s(?:GCamera:(?:MotionPhoto|MicroVideo)\w*|hdrgm:\w+|xmpNote:HasExtendedXMP)\s*=\s*"
        rb"(?:\"[^\"]*\"|'[^']*')"
    ),
)


def true_xmp(xmp: bytes, size: tuple[int, int]) -> bytes:
    """XMP that says the size of the result, and that it is upright, and nothing of what is gone."""
    numbers = {
        b"tiff:Orientation": 1, b"tiff:ImageWidth": size[1], b"tiff:ImageLength": size[0],
        b"exif:PixelXDimension": size[1], b"exif:PixelYDimension": size[0],
    }  # fmt: skip
    for name, number in numbers.items():
        said = str(number).encode()
        xmp = re.sub(rb"(" + name + rb"\s*=\s*[\"'])\d+", rb"\g<1>" + said, xmp)
        xmp = re.sub(rb"(<" + name + rb">\s*)\d+", rb"\g<1>" + said, xmp)
    for claim in _CLAIMS:
        xmp = re.sub(claim, b"", xmp, flags=re.S)
    return xmp
