"""TIFF as it is written, band by band: any depth, many pages, BigTIFF where 4 GiB do not do."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from .exif import Exif, Told

_ROWS = 64  # of a strip
_LIMIT = 2**32
_SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 3, 4, 5, 7, 16
_FORMS = {_SHORT: "H", _LONG: "I", _UNDEFINED: "B", _LONG8: "Q", 1: "B", 2: "B"}
_DEFLATE, _DIFFERENCES, _FLOAT = 8, 2, 3
_ICC = 34675
_KINDS = {0x010E: 2, 700: 1}  # a description is ASCII, XMP are bytes


@dataclass(frozen=True)
class Page:
    """A picture of a TIFF.

    Attributes:
        shape: (height, width, channels), 1 to 4 channels.
        kind: uint8, uint16, float16 or float32.
        bands: Its rows, (rows, width, channels) each, from top to bottom.
        icc: Its colour profile.
        exif: EXIF, in any byte order in a BigTIFF, otherwise in that of the first page, or none.
        dpi: Dots per inch, (x, y).
        tags: Further tags of bytes.
    """

    shape: tuple[int, int, int]
    kind: np.dtype
    bands: Iterable[np.ndarray]
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    tags: dict[int, bytes] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of the uncompressed pixels in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.kind.itemsize


def is_big(pages: Iterable[Page]) -> bool:
    """Whether pages may need a BigTIFF; assumes incompressible pixels."""
    return sum(page.bytes * 1.01 + len(page.icc or b"") + (1 << 20) for page in pages) > _LIMIT


def write_tiff(path: Path, pages: Iterable[Page], level: int = 6, *, big: bool = False) -> None:
    """Writes pages, deflated by zlib's level, one after the other.

    Args:
        path: The file.
        pages: Pages, at least one.
        level: Level of zlib.
        big: Whether to write a BigTIFF; see `is_big`.
    """
    pages = iter(pages)
    first = next(pages)
    # Pillow opens no BigTIFF of that order.
    swapped = first.exif is not None and first.exif[:2] == b"MM" and not big
    with path.open("wb") as file:
        _Writer(file, ">" if swapped else "<", big, level).all(chain([first], pages))


class _Writer:
    def __init__(self, file: BinaryIO, order: Literal["<", ">"], big: bool, level: int) -> None:
        self.order: Literal["<", ">"] = order
        self.file, self.big, self.level = file, big, level
        self.offset = "Q" if big else "I"

    def all(self, pages: Iterable[Page]) -> None:
        """Writes the header and every page."""
        mark = b"II" if self.order == "<" else b"MM"
        head = struct.pack(self.order + "HHHQ", 43, 8, 0, 0)
        self.file.write(mark + (head if self.big else struct.pack(self.order + "HI", 42, 0)))
        link = 8 if self.big else 4
        for page in pages:
            link = self._page(page, link)

    def _page(self, page: Page, link: int) -> int:
        """Writes a page and the link to it; returns where the link to the next one goes."""
        height, width, channels = page.shape
        starts, sizes = self._strips(page)
        long = _LONG8 if self.big else _LONG
        floats = page.kind.kind == "f"
        tags: dict[int, tuple[int, list[int]]] = {
            256: (_LONG, [width]),
            257: (_LONG, [height]),
            258: (_SHORT, [page.kind.itemsize * 8] * channels),
            259: (_SHORT, [_DEFLATE]),
            262: (_SHORT, [2 if channels >= 3 else 1]),
            273: (long, starts),
            277: (_SHORT, [channels]),
            278: (_LONG, [_ROWS]),
            279: (long, sizes),
            284: (_SHORT, [1]),
            317: (_SHORT, [1 if floats else _DIFFERENCES]),
        }
        if channels in (2, 4):
            tags[338] = (_SHORT, [2])  # unassociated alpha
        if floats:
            tags[339] = (_SHORT, [_FLOAT] * channels)
        for tag, content in {**page.tags, **({_ICC: page.icc} if page.icc else {})}.items():
            tags[tag] = (_KINDS.get(tag, _UNDEFINED), list(content))
        entries = {tag: self._entry(tag, kind, values) for tag, (kind, values) in tags.items()}
        entries |= self._resolution(page.dpi)
        mine = page.exif and page.exif[:2] == (b"II" if self.order == "<" else b"MM")
        if page.exif and self.big:
            entries = self._big_exif(Exif(page.exif).tree()) | entries
        elif page.exif and mine:
            entries = self._exif(page.exif) | entries
        return self._directory(entries, link)

    def _strips(self, page: Page) -> tuple[list[int], list[int]]:
        starts, sizes = [], []
        for rows in _regrouped(page.bands, _ROWS):
            values = np.array(rows, page.kind, order="C")
            if page.kind.kind != "f":
                values[:, 1:] -= rows[:, :-1]
            ordered = values.astype(page.kind.newbyteorder(self.order), copy=False)
            packed = zlib.compress(ordered.data, self.level)
            starts.append(self.file.tell())
            sizes.append(len(packed))
            self.file.write(packed)
        return starts, sizes

    def _entry(self, tag: int, kind: int, values: list[int]) -> bytes:
        packed = struct.pack(f"{self.order}{len(values)}{_FORMS[kind]}", *values)
        return self._filed(tag, kind, len(values), packed)

    def _filed(self, tag: int, kind: int, count: int, packed: bytes) -> bytes:
        """An entry; what does not fit into it is written now, and pointed to."""
        room = 8 if self.big else 4
        if len(packed) > room:
            self._even()
            place = self.file.tell()
            self.file.write(packed)
            packed = struct.pack(self.order + self.offset, place)
        head = struct.pack(f"{self.order}HH{self.offset}", tag, kind, count)
        return head + packed.ljust(room, b"\0")

    def _resolution(self, dpi: tuple[float, float] | None) -> dict[int, bytes]:
        if dpi is None:
            return {}
        values = [struct.pack(self.order + "II", round(value * 1000), 1000) for value in dpi]
        found = {282 + i: self._filed(282 + i, _RATIONAL, 1, v) for i, v in enumerate(values)}
        return found | {296: self._entry(296, _SHORT, [2])}  # 2: inches

    def _exif(self, exif: bytes) -> dict[int, bytes]:
        self._even()
        data, entries = Exif(exif).moved(self.file.tell())
        self.file.write(data)
        return {struct.unpack(self.order + "H", entry[:2])[0]: entry for entry in entries}

    def _big_exif(self, told: list[Told]) -> dict[int, bytes]:
        """Converts to a BigTIFF, whose offsets have 8 bytes."""
        entries = {}
        for tag, value, kind, count in told:
            if isinstance(value, list):
                at, _ = self._listed(self._big_exif(value))
                entries[tag] = self._entry(tag, _LONG8, [at])
            else:
                entries[tag] = self._filed(tag, kind, count, value)
        return entries

    def _directory(self, entries: dict[int, bytes], link: int) -> int:
        at, end = self._listed(entries)
        self.file.seek(link)
        self.file.write(struct.pack(self.order + self.offset, at))
        self.file.seek(0, 2)
        return end

    def _listed(self, entries: dict[int, bytes]) -> tuple[int, int]:
        """Writes a directory that links to none; returns where it is, and where its link is."""
        self._even()
        at = self.file.tell()
        count = struct.pack(self.order + ("Q" if self.big else "H"), len(entries))
        body = b"".join(entries[tag] for tag in sorted(entries))
        self.file.write(count + body + struct.pack(self.order + self.offset, 0))
        return at, at + len(count) + len(body)

    def _even(self) -> None:
        self.file.write(b"\0" * (self.file.tell() % 2))


def _regrouped(bands: Iterable[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """Regroups rows into groups of equal height; the last one may be smaller."""
    kept: np.ndarray | None = None
    for band in bands:
        whole = band if kept is None or not len(kept) else np.concatenate((kept, band))
        full = len(whole) // rows * rows
        for top in range(0, full, rows):
            yield whole[top : top + rows]
        kept = whole[full:].copy() if full < len(whole) else None
    if kept is not None and len(kept):
        yield kept
