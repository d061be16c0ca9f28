"""PNGs of sixteen bits a channel, which Pillow does not write."""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .png_chunks import SIGNATURE, profile_chunk, write_chunk

_BAND = 256  # rows that are compressed at a time
_PNG_COLOR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def write_png(
    path: Path,
    pixels: np.ndarray,
    icc: bytes | None,
    level: int,
    chunks: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Writes (H, W, 1 to 4) uint16 as PNG, compressed by zlib's level 0 to 9.

    `chunks` go in front of the pixels.
    """
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels, dtype=">u2").view(np.uint8).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOR_TYPE[channels], 0, 0, 0)
    with path.open("wb") as file:
        file.write(SIGNATURE)
        write_chunk(file, b"IHDR", header)
        for name, content in (*([profile_chunk(icc)] if icc else []), *chunks):
            write_chunk(file, name, content)
        packer = zlib.compressobj(level)
        for top in range(0, height, _BAND):  # a chunk's length is limited
            write_chunk(file, b"IDAT", packer.compress(_filtered(rows, top, top + _BAND)))
        write_chunk(file, b"IDAT", packer.flush())
        write_chunk(file, b"IEND", b"")


def _filtered(rows: np.ndarray, top: int, end: int) -> bytes:
    """Rows as PNG's "up" filter stores them: differences to the row above compress well."""
    band = rows[top:end]
    filtered = np.full((band.shape[0], band.shape[1] + 1), 2, np.uint8)
    filtered[:, 1:] = band
    filtered[1:, 1:] -= band[:-1]
    if top > 0:
        filtered[0, 1:] -= rows[top - 1]
    return filtered.tobytes()
