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
        pixels: Pixels of 8 or 16 bits, or numbers of fewer bits.
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


def animated_deep() -> bytes:
    """An animated PNG of two frames, 16 bits a channel."""
    frames = np.random.default_rng(0).integers(0, 65536, (2, 20, 24, 3)).astype(">u2")
    packed = [zlib.compress(b"".join(b"\0" + row.tobytes() for row in one)) for one in frames]
    control = [
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 24, 20, 0, 0, 1, 10, 0, 0))
        for number in (0, 1)
    ]
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 20, 16, 2, 0, 0, 0)),
            chunk(b"acTL", struct.pack(">II", 2, 0)),
            control[0], chunk(b"IDAT", packed[0]),
            control[1], chunk(b"fdAT", struct.pack(">I", 2) + packed[1]),
            chunk(b"IEND", b""),
        )
    )  # fmt: skip
