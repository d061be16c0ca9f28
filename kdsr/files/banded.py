"""Results that are written as they are made: bands of rows, and pages of a TIFF."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..formats import PNG, TIFF, format_of
from ..pixels import as_floats, to_bytes
from .blocks import write_png
from .decoded_image import DecodedImage, Metadata
from .images import FAST, SMALL, check_format, leftovers, saving, to_array, what_is_said
from .tiff_writing import Page, is_big, write_tiff


def can_be_banded(path: Path, like: DecodedImage) -> bool:
    """Whether a result can be written so: PNG and TIFF, opaque, of whole numbers."""
    return format_of(path) in (PNG, TIFF) and like.alpha is None and like.floats is None


def write_bands(
    path: Path,
    size: tuple[int, int],
    bands: Iterable[Tensor],
    like: DecodedImage,
    *,
    compress: bool = False,
    overwrite: bool = True,
    strip: bool = False,
) -> None:
    """Writes an image, whole or not at all; see `kdsr.files.images.write_image`.

    Args:
        path: `.png` or `.tif`.
        size: (height, width) of the image.
        bands: Its rows from top to bottom, (3, rows, width), float in [0, 1] or uint8.
        like: The source, whose metadata, colour space and depth the result takes.
        compress: Whether to write the smallest file, as in `write_image`.
        overwrite: Whether to replace a file, as in `write_image`.
        strip: Whether to leave out metadata, as in `write_image`.
    """
    kind, (height, width) = format_of(path), size
    check_format(path, transparent=False, size=size, colours=() if like.icc else like.colours)
    assert kind is not None
    like = replace(like, metadata=Metadata()) if strip else like
    deep = like.deep and kind.deep
    shape = (height, width, 1 if like.grey else 3)
    some = as_floats(like.rgb[0, :, :: max(1, like.rgb.shape[-2] // 320)])
    small = to_bytes(some).movedim(0, -1).numpy()
    said = what_is_said(like, kind, size, small)
    arrays = _arrays(bands, like, path)
    level = SMALL if compress else FAST
    with saving(path, overwrite=overwrite) as temporary:
        if kind is PNG:
            told, left = said.metadata.for_png()
            write_png(temporary, shape, arrays, said.icc, level, [*like.colours, *told])
        else:
            tags, left = said.metadata.for_tiff()
            number = np.dtype(np.uint16 if deep else np.uint8)
            of = said.metadata
            page = Page(shape, number, arrays, said.icc, of.exif, of.dpi, tags)
            write_tiff(temporary, [page], level, big=is_big([page]))
    leftovers(path, kind, left, said.metadata.foreign)


def _arrays(bands: Iterable[Tensor], like: DecodedImage, path: Path) -> Iterator[np.ndarray]:
    kind = format_of(path)
    assert kind is not None
    for band in bands:
        with torch.inference_mode():
            yield to_array(band, like, kind)[0]


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
        numbers: Numbers of the pages.
        made: Makes a page: its pixels as `kdsr.files.images.write_image` takes them, and what
            they are made from.
        largest: Bytes that a page may have: more than 4 GiB in all make a BigTIFF.
        overwrite: Whether a file that exists is replaced.
        strip: Leave the metadata out.
    """
    left: list[str] = []
    foreign: list[str] = []
    big = largest * len(numbers) > _LIMIT
    pages = _pages(numbers, made, left, foreign, strip=strip)
    with saving(path, overwrite=overwrite) as temporary:
        write_tiff(temporary, pages, big=big)
    leftovers(path, TIFF, list(dict.fromkeys(left)), dict.fromkeys(foreign))


def _pages(
    numbers: Iterable[int],
    made: Callable[[int], tuple[Tensor, DecodedImage]],
    left: list[str],
    foreign: list[str],
    *,
    strip: bool,
) -> Iterator[Page]:
    for number in numbers:
        pixels, like = made(number)
        array, lost = to_array(pixels, like, TIFF)
        said = what_is_said(like, TIFF, array.shape[:2], array)
        metadata = Metadata() if strip else said.metadata
        tags, more = metadata.for_tiff()
        left += lost + more
        foreign += metadata.foreign
        exif, dpi = metadata.exif, metadata.dpi
        yield Page(array.shape, array.dtype, [array], said.icc, exif, dpi, tags)
