"""PNG files: the chunks that Pillow does not tell of, and writing in 16 bits."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

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


_BAND = 256  # rows that are compressed at a time
_PNG_COLOR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def write_png(
    path: Path,
    shape: tuple[int, int, int],
    bands: Iterable[np.ndarray],
    icc: bytes | None,
    level: int,
    chunks: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Writes a PNG of 8 or 16 bits, compressed by zlib's level 0 to 9.

    Args:
        path: The file.
        shape: (height, width, channels), 1 to 4 channels.
        bands: Its rows from top to bottom, (rows, width, channels) each, uint8 or uint16.
        icc: Its colour profile.
        level: Level of zlib.
        chunks: Go in front of the pixels.
    """
    height, width, channels = shape
    packer, above = zlib.compressobj(level), np.zeros(0, np.uint8)
    with path.open("wb") as file:
        for band in bands:
            rows = band.astype(">u2", copy=False) if band.dtype == np.uint16 else band
            rows = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
            if not len(above):
                kind = (8 * band.dtype.itemsize, _PNG_COLOR_TYPE[channels], 0, 0, 0)
                file.write(SIGNATURE)
                write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, *kind))
                for name, content in (*([profile_chunk(icc)] if icc else []), *chunks):
                    write_chunk(file, name, content)
                above = np.zeros_like(rows[0])
            for top in range(0, len(rows), _BAND):  # a chunk's length is limited
                part = rows[top : top + _BAND]
                write_chunk(file, b"IDAT", packer.compress(_filtered(part, above)))
                above = part[-1].copy()
        write_chunk(file, b"IDAT", packer.flush())
        write_chunk(file, b"IEND", b"")


def _filtered(rows: np.ndarray, above: np.ndarray) -> memoryview:
    """Rows as PNG's "up" filter stores them: differences to the row above compress well."""
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    np.subtract(rows[0], above, out=filtered[0, 1:])
    return filtered.reshape(-1).data
