"""Results of several pages: TIFF."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from ..atomic import writing
from ..errors import ImageError, is_out_of_memory
from .decoded_image import DecodedImage
from .image_formats import TIFF
from .images import leftovers, to_array, what_is_said
from .metadata import Metadata
from .tiff_writing import Page, write_tiff

_LIMIT = 2**32


def write_pages(
    path: Path,
    numbers: Sequence[int],
    made: Callable[[int], tuple[Tensor, DecodedImage]],
    largest: int,
    *,
    overwrite: bool = True,
    strip: bool = False,
) -> None:
    """Writes a TIFF of several pages, whole or not at all, one after the other as it is made.

    Args:
        path: `.tif`.
        numbers: Of the pages.
        made: Makes a page: its pixels as `kdsr.files.images.write_image` takes them, and what
            they are made from.
        largest: Bytes that a page may have: more than 4 GiB in all make a BigTIFF.
        overwrite: Whether a file that exists is replaced.
        strip: Leave the metadata out.
    """
    left: list[str] = []
    big = largest * len(numbers) > _LIMIT
    pages = _pages(numbers, made, left, big=big, strip=strip)
    try:
        with writing(path, overwrite=overwrite) as temporary:
            write_tiff(temporary, pages, big=big)
    except OSError as error:
        if is_out_of_memory(error):
            raise
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from None
    leftovers(path, TIFF, list(dict.fromkeys(left)))


def _pages(
    numbers: Iterable[int],
    made: Callable[[int], tuple[Tensor, DecodedImage]],
    left: list[str],
    *,
    big: bool,
    strip: bool,
) -> Iterator[Page]:
    for number in numbers:
        pixels, like = made(number)
        array, lost = to_array(pixels, like, TIFF)
        said = what_is_said(like, TIFF, array.shape[:2], array)
        metadata = Metadata() if strip else said.metadata
        tags, more = metadata.for_tiff()
        left += lost + more + (["EXIF in a BigTIFF"] if big and metadata.exif else [])
        exif, dpi = metadata.exif, metadata.dpi
        yield Page(array.shape, array.dtype, [array], said.icc, exif, dpi, tags)
