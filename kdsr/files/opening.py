"""Opening images with Pillow: the promised formats only, and what it warns of as one line."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..errors import ImageError, printable

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF")
"""Pillow's names; older ones have no AVIF. It knows dozens more, which nobody asked for and many of
whose decoders were never meant for files of strangers."""

_ORIENTATION = 0x0112
_log = logging.getLogger(__name__)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Opens an image by its content, whatever its suffix; its pixels are not read yet.

    Raises:
        ImageError: If it is of no format in `FORMATS`, or has more pixels than Pillow allows.
    """
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    # A file, not its path: Pillow would map it into memory, and then takes the rows of a grey TIFF
    # that lies on its side for those of an upright one.
    with path.open("rb") as file:
        try:
            image = Image.open(file, formats=formats)
        except UnidentifiedImageError:
            raise ImageError(f"not an image that can be read ({', '.join(formats)})") from None
        except Image.DecompressionBombError as error:
            raise ImageError(str(error)) from None
        with image:
            yield image


def orientation(image: Image.Image) -> int:
    """How a loaded image still has to be turned, as EXIF says it: 1 for not at all.

    Asked after loading, because Pillow turns TIFFs by itself and then forgets their orientation.
    """
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - ruined EXIF is no reason to refuse the pixels
        return 1


@contextmanager
def warnings_of(path: Path) -> Iterator[None]:
    """Logs what Pillow warns of in the block (ruined EXIF, mostly), as one line for the image."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Pillow warns above 89 megapixels; large images are what tiling is for.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield
    said = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    if said:
        _log.warning("%s", printable(f"{path}: {'; '.join(said)}"))
