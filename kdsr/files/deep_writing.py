"""Sixteen bits a channel, which Pillow does not write."""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .png_chunks import SIGNATURE, profile_chunk, write_chunk

_BAND = 256  # rows that are compressed at a time
_TIFF_LIMIT = 2**32
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


def write_tiff(path: Path, pixels: np.ndarray, icc: bytes | None) -> None:
    """Writes (H, W, 1 to 4) uint16 as a baseline TIFF in one deflated strip.

    Raises:
        OSError: If the file would be larger than TIFF's offsets reach.
    """
    height, width, channels = pixels.shape
    data = zlib.compress(np.ascontiguousarray(pixels.astype("<u2")).tobytes(), 6)
    if len(data) + len(icc or b"") + 4096 > _TIFF_LIMIT:
        raise OSError("a TIFF file cannot be larger than 4 GiB; use --format png")
    short, long, undefined = 3, 4, 7
    entries = [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [16] * channels),
        (259, short, [8]),  # deflate
        (262, short, [2 if channels >= 3 else 1]),
        (273, long, [8]),
        (277, short, [channels]),
        (278, long, [height]),
        (279, long, [len(data)]),
        (284, short, [1]),
    ]
    if channels in (2, 4):
        entries.append((338, short, [2]))  # unassociated alpha
    if icc:
        entries.append((34675, undefined, list(icc)))
    directory_at = 8 + len(data) + len(data) % 2
    extra_at = directory_at + 2 + 12 * len(entries) + 4
    directory, extra = struct.pack("<H", len(entries)), b""
    for tag, kind, values in entries:
        packed = struct.pack(
            f"<{len(values)}{ {short: 'H', long: 'I', undefined: 'B'}[kind] }", *values
        )
        field = packed.ljust(4, b"\0")
        if len(packed) > 4:
            field = struct.pack("<I", extra_at + len(extra))
            extra += packed + b"\0" * (len(packed) % 2)
        directory += struct.pack("<HHI", tag, kind, len(values)) + field
    with path.open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, directory_at) + data + b"\0" * (len(data) % 2))
        file.write(directory + struct.pack("<I", 0) + extra)
