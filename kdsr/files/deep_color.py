"""Sixteen bits a channel, which Pillow reads and writes only for grey images."""

import struct
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from ..errors import ImageError
from .opening import open_image, orientation

_BAND = 256  # rows that are compressed at a time
_TIFF_LIMIT = 2**32
_PNG_COLOR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def is_deep(image: Image.Image) -> bool:
    """Whether an opened, not yet loaded image has 16-bit channels that `read_deep` can read."""
    return image.mode in ("I", "I;16", "I;16B", "I;16L") or _colour_tile(image) is not None


def check_readable(image: Image.Image) -> None:
    """Refuses what Pillow would turn into black or noise without a word.

    Raises:
        ImageError: For floating point values, and for 16-bit channels stored one after the
            other and uncompressed, which Pillow takes for 8-bit ones.
    """
    if image.mode == "F":
        raise ImageError("floating point values have no known range; save it as 8 or 16 bit")
    tiles = getattr(image, "tile", None) or ()
    planes = [tile[3][0] for tile in tiles if isinstance(tile[3], tuple)]
    bits = getattr(image, "tag_v2", {}).get(258, (8,))
    if max(bits) > 8 and any(plane in ("R", "G", "B", "A") for plane in planes):
        raise ImageError("16-bit channels in separate planes; save it with interleaved channels")


def read_deep(path: Path) -> tuple[np.ndarray, int]:
    """Reads a 16-bit image as (H, W, channels) uint16, and how it still has to be turned.

    Pillow cuts 16-bit colours to their high bytes. Decoding with the other byte order gives the low
    bytes, so two passes make the whole value.

    Raises:
        ImageError: If a grey image has values that 16 bits cannot hold.
    """
    with open_image(path) as image:
        if image.mode.startswith("I"):
            image.load()  # which may turn it: an array of it would have the shape from before
            values = np.asarray(image)
            if values.min() < 0 or values.max() > 65535:
                raise ImageError("32-bit values have no known range; save it as 8 or 16 bit")
            return values.astype(np.uint16)[..., None], orientation(image)
        mode, _ = _colour_tile(image) or ("", None)
    native = "L" if sys.byteorder == "little" else "B"
    order = native if mode.endswith("N") else mode[-1]
    (high, turn), (low, _) = (_decode_as(path, o) for o in (order, {"B": "L", "L": "B"}[order]))
    return (high.astype(np.uint16) << 8) | low, turn


def _colour_tile(image: Image.Image) -> tuple[str, Any] | None:
    """The raw mode of a 16-bit colour image and its first tile, or None."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return None
    arguments = tiles[0][3]
    mode = arguments if isinstance(arguments, str) else str(arguments[0])
    return (mode, tiles[0]) if mode[:-1] in ("RGB;16", "RGBA;16") else None


def _decode_as(path: Path, order: str) -> tuple[np.ndarray, int]:
    with open_image(path) as image:
        assert isinstance(image, ImageFile.ImageFile)
        tiles = []
        for tile in image.tile:
            arguments: Any = tile[3]
            mode = (arguments if isinstance(arguments, str) else arguments[0])[:-1] + order
            changed = mode if isinstance(arguments, str) else (mode, *arguments[1:])
            named = hasattr(tile, "_replace")  # a plain tuple in older Pillows
            tiles.append(tile._replace(args=changed) if named else (*tile[:3], changed))
        image.tile = tiles
        image.load()
        return np.asarray(image), orientation(image)


def write_png(path: Path, pixels: np.ndarray, icc: bytes | None, level: int) -> None:
    """Writes (H, W, 1 to 4) uint16 as PNG, compressed by zlib's level 0 to 9."""
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels, dtype=">u2").view(np.uint8).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOR_TYPE[channels], 0, 0, 0)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        _chunk(file, b"IHDR", header)
        if icc:
            _chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
        packer = zlib.compressobj(level)
        for top in range(0, height, _BAND):  # a chunk's length is limited
            _chunk(file, b"IDAT", packer.compress(_filtered(rows, top, top + _BAND)))
        _chunk(file, b"IDAT", packer.flush())
        _chunk(file, b"IEND", b"")


def _filtered(rows: np.ndarray, top: int, end: int) -> bytes:
    """Rows as PNG's "up" filter stores them: differences to the row above compress well."""
    band = rows[top:end]
    filtered = np.full((band.shape[0], band.shape[1] + 1), 2, np.uint8)
    filtered[:, 1:] = band
    filtered[1:, 1:] -= band[:-1]
    if top > 0:
        filtered[0, 1:] -= rows[top - 1]
    return filtered.tobytes()


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data)
    file.write(struct.pack(">I", zlib.crc32(kind + data)))


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
