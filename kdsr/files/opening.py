"""Opening images with Pillow: the promised formats only, and what is said of them as one line."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..errors import ConfigError, ImageError, printable
from .foreign import what_it_is
from .image_formats import FORMATS

LARGEST = 65_536**2
"""Pixels of an image that is read, unless `KDSR_MAX_PIXELS` says otherwise; memory is asked for
apart. Pillow's own limit, 179 million, is below what we write."""

_VARIABLE = "KDSR_MAX_PIXELS"
_ORIENTATION = 0x0112
_ONE_AT_A_TIME = threading.Lock()
_log = logging.getLogger(__name__)


class UnknownImageError(ImageError):
    """Pillow does not know a file, or not as one of the promised formats."""


@contextmanager
def open_image(path: Path, page: int = 0) -> Iterator[Image.Image]:
    """Opens an image by its content, whatever its suffix; its pixels are not read yet.

    Args:
        path: The file.
        page: Of several.

    Raises:
        UnknownImageError: If it is of no format in `FORMATS`: Pillow knows dozens more, which
            nobody asked for and many of whose decoders were never meant for files of strangers.
        ImageError: If it has more pixels than are allowed.
    """
    Image.init()
    formats = [one.name for one in FORMATS if one.name in Image.OPEN]  # older ones have no AVIF
    # A file, not its path: Pillow would map it into memory, and then takes the rows of a grey TIFF
    # that lies on its side for those of an upright one.
    with path.open("rb") as file:
        try:
            with _without_pillows_limit():
                image = Image.open(file, formats=formats)
        except UnidentifiedImageError:
            known = f"not an image that can be read ({', '.join(formats)})"
            raise UnknownImageError(what_it_is(path) or known) from None
        with image:
            if page:
                try:
                    image.seek(page)
                except SyntaxError as error:
                    raise UnknownImageError(f"its page {page + 1}: {error}") from None
            check_pixels(image.width, image.height)
            yield image


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    with _ONE_AT_A_TIME:
        kept = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def check_pixels(width: int, height: int) -> None:
    """Refuses an image that is larger than is allowed, before anything of it is decoded.

    Raises:
        ImageError: If it is.
        ConfigError: If the limit in the environment is no number.
    """
    said = os.environ.get(_VARIABLE, "") or str(LARGEST)
    if not said.isdecimal():
        raise ConfigError(f"{_VARIABLE} must be a number of pixels, got {said!r}")
    if width * height > int(said):
        raise ImageError(
            f"{width:,} x {height:,} px are more than the {int(said):,} that are read; if the file "
            f"is meant to be so large, set {_VARIABLE} to what is allowed"
        )


def orientation(image: Image.Image) -> int:
    """How a loaded image still has to be turned, as EXIF says it: 1 for not at all.

    Asked after loading, because Pillow turns TIFFs by itself and then forgets their orientation.
    """
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - ruined EXIF is no reason to refuse the pixels
        return 1


@contextmanager
def remarks_on(path: Path) -> Iterator[list[str]]:
    """Logs what is to be said of an image as one line for it.

    Yields:
        A list for remarks. What Pillow warns of in the block (ruined EXIF, mostly) comes with them.
    """
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += [" ".join(str(warning.message).split()) for warning in caught]
    if said:
        _log.warning("%s", printable(f"{path}: {'; '.join(dict.fromkeys(said))}"))


def is_lossless_webp(path: Path) -> bool:
    """Whether a WebP file keeps every value of its (first) picture."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name in (b"VP8 ", b"VP8L"):
                return name == b"VP8L"
            if name == b"ANMF":  # a frame: 16 bytes about it, then the same kinds of blocks
                file.seek(16, 1)
                continue
            file.seek(size + size % 2, 1)
    return False
