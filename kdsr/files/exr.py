"""OpenEXR files, by OpenEXR's own package: linear light, of which white is 1 and no end."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import ImageError
from .tiff_reading import straightened

_MAGIC = b"\x76\x2f\x31\x01"


def is_exr(path: Path) -> bool:
    """Whether a file's content is an OpenEXR image."""
    with path.open("rb") as file:
        return file.read(4) == _MAGIC


def read_exr(path: Path, said: list[str]) -> np.ndarray:
    """Reads an image as (H, W, 1 to 4), float16 or float32, straight colours.

    Args:
        path: The file.
        said: Takes what is to be said of channels that are left out.

    Raises:
        ImageError: If the package is missing, or there is no picture.
    """
    file = _package().File(str(path))
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


def write_exr(path: Path, values: np.ndarray) -> None:
    """Writes (H, W, 1 to 4), float16 or float32, straight colours.

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
