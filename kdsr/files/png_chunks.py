"""The chunks of a PNG file: what Pillow does not tell of them, and what is written."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR = (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"mDCV", b"mDCv", b"cLLI", b"cLLi")
"""Chunks that say what the numbers mean; a profile (iCCP) does so too."""
_PIXELS = (b"IDAT", b"fdAT")
_LARGEST = 64 << 20  # bytes of a chunk that is kept; texts and profiles are smaller


def read_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of every chunk but the pixels, in order; ends where the file is damaged."""
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            if name in _PIXELS or size > _LARGEST:
                file.seek(size + 4, 1)
                continue
            content = file.read(size)
            if len(content) < size or file.read(4) != struct.pack(">I", zlib.crc32(name + content)):
                return
            yield name, content
            if name == b"IEND":
                return


def write_chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    """Writes a chunk with its length and checksum."""
    file.write(struct.pack(">I", len(content)) + name + content)
    file.write(struct.pack(">I", zlib.crc32(name + content)))


def profile_chunk(icc: bytes) -> tuple[bytes, bytes]:
    """The chunk that holds a colour profile."""
    return b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)
