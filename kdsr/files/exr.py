"""OpenEXR files, by OpenEXR's own package: linear light, of which white is 1 and no end."""

import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import ImageError
from .colour_space import Chunks
from .tiff_reading import straightened

_BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_TOLERANCE = 1e-3


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
    """What of a file is not read."""
    header = file.header()
    if len(file.parts) > 1:
        yield f"of its {len(file.parts)} parts the first is read"
    windows = [np.asarray(header[name]) for name in ("dataWindow", "displayWindow")]
    if (windows[0] != windows[1]).any():
        yield "its display window is left out: what it holds of the picture is upscaled"
    if abs(header.get("pixelAspectRatio", 1) - 1) > _TOLERANCE:
        yield "its pixels are not square, which no result says"


def colours_of(path: Path) -> Chunks:
    """The primaries that a file names, as PNG says the same of what is shown; nothing if usual."""
    said = _package().File(str(path), header_only=True).header().get("chromaticities")
    if said is None or max(abs(a - b) for a, b in zip(said, _BT709, strict=True)) < _TOLERANCE:
        return ()
    red_green_blue, white = said[:6], said[6:]
    numbers = [round(value * 100_000) for value in (*white, *red_green_blue)]
    return (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *numbers))


def chromaticities(colours: Chunks) -> tuple[float, ...]:
    """The inverse of `colours_of`; nothing where no primaries are named, or by a number."""
    said = dict(colours)
    if len(said.get(b"cHRM", b"")) != 32 or b"cICP" in said:
        return ()
    values = [number / 100_000 for number in struct.unpack(">8I", said[b"cHRM"])]
    return (*values[2:], *values[:2])


def write_exr(path: Path, values: np.ndarray, colours: Chunks = ()) -> None:
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
    header = {"compression": package.ZIP_COMPRESSION, "type": package.scanlineimage}
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
