"""PNG files of kinds that Pillow does not write."""

import struct
import zlib

import numpy as np

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png(pixels: np.ndarray, *extra: bytes, bits: int | None = None) -> bytes:
    """A PNG of (H, W, channels), uint8 or uint16; fewer bits for grey alone.

    Args:
        pixels: Of 8 or 16 bits, or numbers of fewer.
        extra: Chunks that go in front of the pixels.
        bits: 1, 2 or 4.
    """
    height, width, channels = pixels.shape
    depth = bits or pixels.dtype.itemsize * 8
    if bits:
        every = np.unpackbits(pixels, axis=2)[..., -bits:].reshape(height, -1)
        rows = np.packbits(every, axis=1)
    else:
        rows = pixels.astype(">u2" if depth == 16 else np.uint8).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0)
    parts = (chunk(b"IHDR", head), *extra, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
