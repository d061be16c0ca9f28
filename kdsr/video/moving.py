"""Which image files move, and which of them are cut: read from their blocks, without decoding."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

_SCREEN, _PALETTE = 0x80, 0x07  # of a GIF's flags: there is a palette, and how large it is
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # of GIF
_PNG_HEAD, _RIFF_HEAD = 8, 12
_ANIMATED = 2  # of a WebP's flags


class Blocks(NamedTuple):
    """What the blocks of an image file say."""

    pictures: int
    """How many are there, whole."""
    promised: int
    """How many the header says; `pictures` where it says nothing."""
    whole: bool
    """The file has its end."""


def is_moving(path: Path) -> bool:
    """Whether an image file has more pictures than one, or lost them."""
    found = blocks_of(path)
    return found is not None and (found.promised > 1 or found.pictures > 1)


def blocks_of(path: Path) -> Blocks | None:
    """Reads the blocks of a GIF, WebP, PNG or AVIF file; None for what is no animation of these."""
    try:
        with path.open("rb") as file:
            head = file.read(_RIFF_HEAD)
            file.seek(0)
            for fits, read in _KINDS:
                if fits(head):
                    return read(file)
    except (OSError, struct.error, IndexError):
        pass  # whoever reads it says why
    return None


def _gif(file: BinaryIO) -> Blocks:
    pictures = 0
    try:
        flags = file.read(13)[10]
        _skip_palette(file, flags)
        while (kind := file.read(1)[0]) != _TRAILER:
            if kind == _IMAGE:
                _skip_palette(file, file.read(9)[8])
                file.read(1)[0]  # the size of the codes
            elif kind == _EXTENSION:
                file.read(1)[0]
            else:
                return Blocks(pictures, pictures, whole=True)  # what follows is no GIF's
            while size := file.read(1)[0]:
                if len(file.read(size)) < size:
                    raise IndexError
            pictures += kind == _IMAGE
    except IndexError:  # of a byte that is not there
        return Blocks(pictures, pictures + 1, whole=False)
    return Blocks(pictures, pictures, whole=True)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & _SCREEN:
        file.seek(3 << ((flags & _PALETTE) + 1), 1)


def _png(file: BinaryIO) -> Blocks | None:
    file.seek(_PNG_HEAD)
    pictures = promised = 0
    whole = False
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        content = file.read(min(size, 8))
        if name == b"acTL":
            (promised,) = struct.unpack(">I", content[:4])
        if name == b"IDAT" and not promised:
            return None
        pictures += name == b"fcTL"
        whole = name == b"IEND"
        if file.seek(size - len(content) + 4, 1) < 0 or whole:
            break
    return Blocks(pictures if whole else max(pictures - 1, 0), promised, whole)


def _webp(file: BinaryIO) -> Blocks | None:
    _, size, _ = struct.unpack("<4sI4s", file.read(_RIFF_HEAD))
    end, there = size + 8, file.seek(0, 2)
    file.seek(_RIFF_HEAD)
    pictures = 0
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"VP8X" and not file.read(1)[0] & _ANIMATED:
            return None
        if name in (b"VP8 ", b"VP8L"):
            return None
        place = file.seek(size + size % 2 - (name == b"VP8X"), 1)
        pictures += name == b"ANMF" and place <= there
    whole = end <= there
    return Blocks(pictures, pictures + (not whole), whole)


def _avif(file: BinaryIO) -> Blocks | None:
    (size,) = struct.unpack(">I", file.read(4))
    return Blocks(2, 2, whole=True) if b"avis" in file.read(min(size, 256)) else None


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], Blocks | None]], ...] = (
    (lambda head: head[:3] == b"GIF", _gif),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda head: head[:4] == b"RIFF" and head[8:] == b"WEBP", _webp),
    (lambda head: head[4:8] == b"ftyp", _avif),
)
