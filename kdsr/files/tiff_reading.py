"""TIFFs: their pages and tags; and more than 8 bits a channel, by tifffile."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import ImageError
from ..pixels import WORD
from .exif import BELOW, SIZES, Told, turned

_SUBFILE, _REDUCED, _MASK = 254, 1, 4  # a tag, its bits for smaller copies and for masks
_DIRECTORIES, _DEPTH, _DNG = 330, 32997, 50706  # further tags
_KEPT = (_SUBFILE, _DIRECTORIES, _DEPTH, _DNG)
_PLACES = (273, 279, 288, 289, 324, 325)  # of pixels
_MOST = 100_000  # of a file that goes in circles
_LARGEST = 64 << 20  # bytes of a tag that is kept


def pages_of(path: Path, said: list[str]) -> tuple[int, ...]:
    """Numbers of the pages, without smaller copies of others and masks; (0,) for no TIFF.

    Args:
        path: Any image file.
        said: Takes what is to be said of what is left out.

    Raises:
        ImageError: If what the file holds is no picture: layers of a volume, or a camera's data.
    """
    found, masks, hidden, raw = [], 0, False, False
    for number, entries in enumerate(_directories(path)):
        tags = {tag: entries[tag].first for tag in _KEPT if tag in entries}
        if (layers := tags.get(_DEPTH, 1)) > 1:
            raise ImageError(f"it holds a volume of {layers} layers, not a picture; save one plane")
        kind = tags.get(_SUBFILE, 0)
        masks += bool(kind & _MASK)
        hidden, raw = hidden or _DIRECTORIES in tags, raw or _DNG in tags
        if not kind & (_REDUCED | _MASK):
            found.append(number)
    if raw or (hidden and not found):
        raise ImageError(
            "it is a camera's raw file, of which only a preview could be read; develop it first, "
            "to TIFF for instance"
        )
    if masks:
        said.append("its transparency mask is left out")
    return tuple(found) or (0,)


def tags_of(path: Path, page: int) -> list[Told]:
    """Tags of a page, as far as they are not damaged."""
    entries = next(islice(_directories(path), page, None), {})
    if not entries:
        return []
    with path.open("rb") as file:
        return list(_told(file, entries, 0))


class _Entry(NamedTuple):
    """An entry of a directory."""

    kind: int
    values: int
    """Number of values."""
    field: bytes
    """The value, or where it is."""
    order: str

    @property
    def first(self) -> int:
        """The first value, or where it is."""
        form = {1: "B", 3: "H"}.get(self.kind, "Q" if len(self.field) == 8 else "I")
        return struct.unpack_from(self.order + form, self.field)[0]


def _told(file: BinaryIO, entries: dict[int, _Entry], depth: int) -> Iterator[Told]:
    for tag, entry in entries.items():
        size = SIZES.get(entry.kind, 0) * entry.values
        if tag in BELOW and depth < 2:
            with suppress(struct.error, OverflowError, OSError):
                big = len(entry.field) == 8
                below, _ = _directory(file, entry.first, entry.order, big=big)
                yield Told(tag, list(_told(file, below, depth + 1)))
        elif 0 < size <= _LARGEST and tag not in _PLACES:
            value = entry.field[:size]
            if size > len(entry.field):
                form = "Q" if len(entry.field) == 8 else "I"
                file.seek(struct.unpack(entry.order + form, entry.field)[0])
                value = file.read(size)
            if len(value) == size:
                yield Told(tag, turned(value, entry.kind, entry.order), entry.kind, entry.values)


def _directories(path: Path) -> Iterator[dict[int, _Entry]]:
    """The entries of each directory, as far as they are there."""
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            return
        (version,) = struct.unpack(order + "H", head[2:4])
        if version not in (42, 43):
            return
        big = version == 43
        try:
            (at,) = struct.unpack(order + "Q", head[8:]) if big else struct.unpack(
                order + "I", head[4:8]
            )  # fmt: skip
            seen: set[int] = set()
            while at and at not in seen and len(seen) < _MOST:
                seen.add(at)
                entries, at = _directory(file, at, order, big=big)
                yield entries
        except (struct.error, OverflowError, OSError):
            return


def _directory(file: BinaryIO, at: int, order: str, *, big: bool) -> tuple[dict[int, _Entry], int]:
    """The entries of a directory, and where the next one is."""
    file.seek(at)
    counts, form, offset = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    (count,) = struct.unpack(order + counts, file.read(struct.calcsize(order + counts)))
    if count > 4096:  # no directory
        raise struct.error
    size = struct.calcsize(order + form)
    content = file.read(count * size)
    rows = list(struct.iter_unpack(order + form, content[: len(content) // size * size]))
    # If a tag occurs several times, the first counts, as in other programs.
    entries = {tag: _Entry(kind, n, field, order) for tag, kind, n, field in reversed(rows)}
    (after,) = struct.unpack(order + offset, file.read(struct.calcsize(order + offset)))
    return entries, after


_INSTALL = "pip install tifffile imagecodecs"
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_PREMULTIPLIED, _STRAIGHT = 1, 2  # of the tag ExtraSamples
_ORIENTATION, _ICC = 274, 34675
_UNSIGNED, _FLOAT = 1, 3  # of the tag SampleFormat


@dataclass(frozen=True)
class TiffPixels:
    """Pixels of a page, with their colour profile.

    Attributes:
        values: (H, W, 1 to 4), uint8, uint16, or floats as they are in the file.
        orientation: Orientation as in EXIF.
        icc: Its colour profile.
        remark: Message about the page, or None.
    """

    values: np.ndarray
    orientation: int
    icc: bytes | None = None
    remark: str | None = None


def load_tifffile() -> ModuleType | None:
    """The package tifffile; None where it is not installed."""
    try:
        import tifffile
    except ImportError:
        return None
    return tifffile


def missing(what: str) -> ImageError:
    """Says what to install for TIFFs of a kind."""
    return ImageError(f'{what} is read by tifffile: {_INSTALL} (the extra "tiff")')


def read_tiff(path: Path, page: int = 0) -> TiffPixels:
    """Reads a page, however its channels are packed, planar or compressed.

    Raises:
        ImageError: If tifffile is needed and not there, or what the page says of its numbers has
            no meaning as a picture.
    """
    tifffile = load_tifffile()
    if tifffile is None:
        raise missing("this kind of TIFF (not 8 or 16-bit grey, not 16-bit RGB in one plane)")
    with tifffile.TiffFile(path) as file:
        one: Any = file.pages[page].aspage()
        _check(one)
        try:
            values = one.asarray(maxworkers=1)
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            raise ImageError(f"its compression is read by imagecodecs: {_INSTALL}") from None
        axes = one.axes
        if axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        elif axes == "YX":
            values = values[..., None]
        elif axes != "YXS":
            raise ImageError(f"it holds a volume (axes {axes}), not a picture; save one plane")
        turn = one.tags.get(_ORIENTATION)
        extra = [int(kind) for kind in one.extrasamples]
        colours = 3 if one.photometric == _RGB else 1
        values = _scaled(values, one)
        values, remark = _without_extras(values, colours, extra)
        icc = one.tags.get(_ICC)
        return TiffPixels(
            values, int(turn.value) if turn else 1, bytes(icc.value) if icc else None, remark
        )


def _check(page: Any) -> None:
    known = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
    if page.photometric not in known:
        name = getattr(page.photometric, "name", page.photometric)
        raise ImageError(f"{name} colours of this kind are not read; save it as RGB or grey")
    bits = page.bitspersample if isinstance(page.bitspersample, tuple) else (page.bitspersample,)
    if len(set(bits)) > 1:
        raise ImageError(f"channels of different depths ({bits} bits); save it as 8 or 16 bit")
    if page.sampleformat not in (_UNSIGNED, _FLOAT):
        raise ImageError("signed or complex values have no known range; save it as 8 or 16 bit")
    if page.sampleformat == _UNSIGNED and bits[0] > 16:
        raise ImageError(f"{bits[0]}-bit values have no known range; save it as 8 or 16 bit")


def _scaled(values: np.ndarray, page: Any) -> np.ndarray:
    """Whole numbers of any depth as uint8 or uint16, black 0."""
    if values.dtype.kind == "f":
        if page.photometric == _WHITE_IS_ZERO:
            raise ImageError("floating point values where white is 0; save it with black as 0")
        return values
    bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
    if bits != 8:
        values = to_sixteen(values, bits)
    white = page.photometric == _WHITE_IS_ZERO
    return np.iinfo(values.dtype).max - values if white else values


def to_sixteen(values: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers of a depth below or of 16 bits, scaled so that white stays white: uint16."""
    if bits == 16:
        return values.astype(np.uint16, copy=False)
    largest = 2**bits - 1
    table = (np.arange(largest + 1, dtype=np.uint32) * WORD + largest // 2) // largest
    return table.astype(np.uint16)[np.minimum(values, largest)]


def _without_extras(
    values: np.ndarray, colours: int, extra: list[int]
) -> tuple[np.ndarray, str | None]:
    """Colours, straight, and opacity if a channel is said to be that."""
    extra += [0] * (values.shape[2] - colours - len(extra))
    if values.shape[2] < colours:
        raise ImageError(f"{values.shape[2]} channels where RGB has 3")
    alpha = next((i for i, kind in enumerate(extra) if kind in (_PREMULTIPLIED, _STRAIGHT)), None)
    left = len(extra) - (alpha is not None)
    remark = f"{left} channels that it does not describe are left out" if left else None
    if left == 1:
        remark = "a channel that it does not describe is left out"
    if alpha is None:
        return values[..., :colours], remark
    opacity = values[..., colours + alpha, None]
    made = values[..., :colours]
    if extra[alpha] == _PREMULTIPLIED:
        made = straightened(made, opacity)
    return np.concatenate((made, opacity), axis=2), remark


def straightened(colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Colours that were multiplied by their opacity, divided by it again; 0 where it is 0.

    Args:
        colours: (H, W, C), whole numbers or floats.
        opacity: (H, W, 1), of the same kind.
    """
    whole = colours.dtype.kind == "u"
    largest = np.iinfo(colours.dtype).max if whole else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        made = np.where(opacity > 0, colours.astype(np.float64) * largest / opacity, 0)
    return (np.minimum(made, largest).round() if whole else made).astype(colours.dtype)
