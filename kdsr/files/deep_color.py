"""More than 8 bits a channel, which Pillow reads only for grey images: PNG, plain TIFF, AVIF."""

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from ..errors import ImageError
from ..pixels import WORD
from .opening import is_tiff, open_image, orientation, raw_mode
from .png import read_chunks
from .tiff_reading import to_sixteen

_HEAD = 1 << 16  # bytes, in which the boxes lie


def read_deep_avif(path: Path, said: list[str]) -> np.ndarray | None:
    """Reads an AVIF of more than 8 bits a channel as (H, W, 3 or 4) uint16, not turned yet.

    Args:
        path: The file.
        said: Takes what is to be said where the package imagecodecs is missing.

    Returns:
        None if it has 8 bits, or has to be read as such.
    """
    bits = bits_of(path)
    if bits <= 8:
        return None
    try:
        from imagecodecs import avif_decode
    except ImportError:
        said.append(f"its {bits} bits a channel are read as 8; pip install imagecodecs keeps them")
        return None
    values = np.asarray(avif_decode(path.read_bytes(), index=0))
    return to_sixteen(values if values.ndim == 3 else values[..., None], bits)


def bits_of(path: Path) -> int:
    """Of the first picture's channels, as its box `pixi` says; 8 if there is none."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    at = head.find(b"pixi")
    return head[at + 9] if 0 <= at < len(head) - 9 and head[at + 8] else 8


_BITS, _PHOTOMETRIC = 258, 262  # tags of TIFF


def read_deep(path: Path, page: int = 0) -> tuple[np.ndarray, int]:
    """Reads a 16-bit image as (H, W, channels) uint16, and how it still has to be turned.

    Raises:
        ImageError: If a grey image has values that 16 bits cannot hold.
    """
    with open_image(path, page) as image:
        mode = raw_mode(image)
        if image.mode.startswith("I"):
            image.load()  # which may turn it: an array of it would have the shape from before
            values = _grey(image)[..., None]
            turn = orientation(image)
        elif mode.startswith("LA;16"):
            values, turn = _grey_with_alpha(path), orientation(image)
        else:
            values, turn = _two_passes(path, mode, page)
    return _with_named_colour(path, values), turn


def _grey(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError("32-bit values have no known range; save it as 8 or 16 bit")
    tags = getattr(image, "tag_v2", {})
    values = to_sixteen(values, tags.get(_BITS, (16,))[0])
    return 65535 - values if tags.get(_PHOTOMETRIC) == 0 else values


def _two_passes(path: Path, mode: str, page: int) -> tuple[np.ndarray, int]:
    """Pillow cuts 16-bit colours to the high bytes, or with the other byte order to the low."""
    native = "L" if sys.byteorder == "little" else "B"
    order = native if mode.endswith("N") else mode[-1]
    (high, turn), (low, _) = (
        _decode_as(path, o, page) for o in (order, {"B": "L", "L": "B"}[order])
    )
    return (high.astype(np.uint16) << 8) | low, turn


def _decode_as(path: Path, order: str, page: int) -> tuple[np.ndarray, int]:
    with open_image(path, page) as image:
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


def _grey_with_alpha(path: Path) -> np.ndarray:
    """Pixels of 2 x 16 bits are filtered and packed just as those of 4 x 8 bits: read as these."""
    data = bytearray(path.read_bytes())
    data[24:26] = bytes((8, 6))  # of the header: bits a channel, colour type RGBA
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return np.asarray(image).view(">u2").astype(np.uint16)


def _with_named_colour(path: Path, values: np.ndarray) -> np.ndarray:
    """Adds opacity where a PNG says which one colour is transparent."""
    if values.shape[2] not in (1, 3) or is_tiff(path):
        return values
    for name, content in read_chunks(path):
        if name == b"tRNS" and len(content) == 2 * values.shape[2]:
            hidden = (values == np.frombuffer(content, ">u2")).all(2, keepdims=True)
            opacity = np.where(hidden, np.uint16(0), np.uint16(WORD))
            return np.concatenate((values, opacity), 2)
    return values
