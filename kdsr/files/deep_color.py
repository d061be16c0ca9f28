"""More than 8 bits a channel: PNG, plain TIFF, AVIF, and EXR with its linear light."""

import io
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from ..errors import ImageError
from ..pixels import WORD
from .blocks import Chunks, read_chunks
from .metadata_reading import NOT_SQUARE
from .opening import is_tiff, open_image, orientation, raw_mode
from .profiles import SRGB_GAMMA, primaries_as_chunks
from .tiff_reading import straightened, to_sixteen

_HEAD = 1 << 16  # bytes, in which the boxes lie
_HIGH, _TWELVE = 0x40, 0x20  # flags of AV1


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
    """Bit depth of the first picture's channels, from its box `av1C`; 8 without one."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
    return (12 if flags & _TWELVE else 10) if flags & _HIGH else 8


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


_TOLERANCE = 1e-3
_OF_PIXELS = (
    "channels", "chromaticities", "chunkCount", "compression", "dataWindow", "displayWindow",
    "dwaCompressionLevel", "lineOrder", "multiView", "name", "pixelAspectRatio", "preview",
    "screenWindowCenter", "screenWindowWidth", "tiles", "type", "version", "view",
)  # fmt: skip
"""Attributes that are made anew, or named elsewhere."""


def read_exr(path: Path, said: list[str]) -> np.ndarray:
    """Reads an image as (H, W, 1 to 4), float16 or float32, straight colours.

    Args:
        path: The file.
        said: Takes what is to be said of channels that are left out.

    Raises:
        ImageError: If the package is missing, or there is no picture.
    """
    try:
        file = _package().File(str(path))
    except ValueError as error:
        if "pixel type" not in str(error):
            raise
        raise ImageError("its channels are of different kinds; save all as half or float") from None
    said += _remarks(file)
    channels: dict[str, Any] = file.channels()
    name = next((name for name in ("RGBA", "RGB", "Y") if name in channels), None)
    if name is None:
        raise ImageError(f"no channels R, G and B or Y (it has {', '.join(channels)})")
    values = np.asarray(channels[name].pixels)
    if values.dtype.kind != "f":
        raise ImageError(f"channels of {values.dtype}; save it as half or float")
    others = [other for other in channels if other not in (name, "A")]
    if others:
        said.append(f"its channels {', '.join(others)} are left out")
    values = values if values.ndim == 3 else values[..., None]
    if name == "Y" and "A" in channels:
        values = np.concatenate((values, channels["A"].pixels[..., None]), 2)
    if values.shape[2] in (2, 4):
        colours = straightened(values[..., :-1], values[..., -1:])
        values = np.concatenate((colours, values[..., -1:]), 2)
    return values


def _remarks(file: Any) -> Iterator[str]:
    """Names the parts of a file that are not read."""
    header = file.header()
    if len(file.parts) > 1:
        yield f"of its {len(file.parts)} parts the first is read"
    windows = [np.asarray(header[name]) for name in ("dataWindow", "displayWindow")]
    if (windows[0] != windows[1]).any():
        yield "its display window is left out: what it holds of the picture is upscaled"
    if abs(header.get("pixelAspectRatio", 1) - 1) > _TOLERANCE:
        yield NOT_SQUARE


def colours_of(path: Path) -> Chunks:
    """The primaries that a file names, as PNG says the same of what is shown; nothing if usual."""
    return primaries_as_chunks(_header(path).get("chromaticities") or ())


def _header(path: Path) -> dict[str, Any]:
    return _package().File(str(path), header_only=True).header()


def attributes_of(path: Path, said: list[str]) -> tuple[tuple[str, Any], ...]:
    """Metadata of a file: (name, value).

    Args:
        path: The file.
        said: Takes what is to be said of values that the package cannot write again.
    """
    found = {name: value for name, value in _header(path).items() if name not in _OF_PIXELS}
    kept = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    if others := ", ".join(name for name in found if name not in kept):
        said.append(f"its attributes {others} are left out")
    return tuple(kept.items())


def chromaticities(colours: Chunks) -> tuple[float, ...]:
    """The inverse of `colours_of`: none without primaries, by a number, or with another curve."""
    said = dict(colours)
    other = said.get(b"gAMA", SRGB_GAMMA) != SRGB_GAMMA and b"sRGB" not in said
    if len(said.get(b"cHRM", b"")) != 32 or b"cICP" in said or other:
        return ()
    values = [number / 100_000 for number in struct.unpack(">8I", said[b"cHRM"])]
    return (*values[2:], *values[:2])


def write_exr(
    path: Path,
    values: np.ndarray,
    colours: Chunks = (),
    attributes: Iterable[tuple[str, Any]] = (),
) -> None:
    """Writes (H, W, 1 to 4), float16 or float32, straight colours of the primaries named.

    Raises:
        OSError: If not all of it was written: the package itself does not notice.
    """
    package = _package()
    channels: dict[str, np.ndarray] = {}
    if values.shape[2] in (2, 4):
        alpha = values[..., -1:]
        values = np.concatenate((values[..., :-1] * alpha, alpha), 2).astype(values.dtype)
    if values.shape[2] >= 3:
        channels["RGB" if values.shape[2] == 3 else "RGBA"] = np.ascontiguousarray(values)
    else:
        names = ("Y", "A")[: values.shape[2]]
        channels = {n: np.ascontiguousarray(values[..., i]) for i, n in enumerate(names)}
    header = dict(attributes)
    header |= {"compression": package.ZIP_COMPRESSION, "type": package.scanlineimage}
    if named := chromaticities(colours):
        header["chromaticities"] = named
    try:
        package.File(header, channels).write(str(path))
        package.File(str(path))
    except RuntimeError as error:
        raise OSError(f"not all of it could be written ({error}); is the disk full?") from None


def _package() -> ModuleType:
    try:
        import OpenEXR
    except ImportError:
        raise ImageError(
            'OpenEXR images need the package OpenEXR: pip install OpenEXR (the extra "exr")'
        ) from None
    return OpenEXR
