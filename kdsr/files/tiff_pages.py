"""The pages of a TIFF, by its directories: Pillow stops at the first that it does not know."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import ImageError

_SUBFILE, _REDUCED, _MASK = 254, 1, 4  # a tag, its bits for smaller copies and for masks
_DIRECTORIES, _DEPTH, _DNG = 330, 32997, 50706  # further tags
_KEPT = (_SUBFILE, _DIRECTORIES, _DEPTH, _DNG)
_MOST = 100_000  # of a file that goes in circles


def pages_of(path: Path, said: list[str]) -> tuple[int, ...]:
    """Numbers of the pages, without smaller copies of others and masks; (0,) for no TIFF.

    Args:
        path: Any image file.
        said: Takes what is to be said of what is left out.

    Raises:
        ImageError: If what the file holds is no picture: layers of a volume, or a camera's data.
    """
    found, masks, hidden, raw = [], 0, False, False
    for number, tags in enumerate(_directories(path)):
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


def _directories(path: Path) -> Iterator[dict[int, int]]:
    """Of each directory some tags: the first value, or where it is; as far as they are there."""
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
                tags, at = _directory(file, at, order, big=big)
                yield tags
        except (struct.error, OverflowError, OSError):
            return


def _directory(file: BinaryIO, at: int, order: str, *, big: bool) -> tuple[dict[int, int], int]:
    """The tags of a directory, and where the next one is."""
    file.seek(at)
    counts, size, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
    (count,) = struct.unpack(order + counts, file.read(struct.calcsize(counts)))
    if count > 4096:  # no directory
        raise struct.error
    entries = file.read(count * size)
    tags: dict[int, int] = {}
    for start in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        if tag in _KEPT:
            form = "H" if kind == 3 else "B" if kind == 1 else offset
            tags[tag] = struct.unpack_from(order + form, entries, start + size - (8 if big else 4))[
                0
            ]
    (after,) = struct.unpack(order + offset, file.read(struct.calcsize(offset)))
    return tags, after
