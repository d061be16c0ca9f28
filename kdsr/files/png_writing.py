"""PNGs of sixteen bits a channel, which Pillow does not write, and of any size band by band."""

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
        level: Of zlib.
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
