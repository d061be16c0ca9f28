"""Image files to tensors and back: depth, transparency, orientation and colour profile kept."""

import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from ..atomic import writing
from ..errors import ImageError, explaining_shortage, printable, reading
from ..formats import EXR, IMAGE_WRITE_SUFFIXES, JPEG, PNG, TIFF, WEBP, ImageFormat, format_of
from ..pixels import as_floats, linear_of, shown, to_bytes, to_words
from .blocks import Chunks, profile_chunk, write_chunk, write_png
from .decoded_image import DecodedImage, Metadata
from .decoding import decoded
from .opening import remarks_on

if TYPE_CHECKING:
    from typing_extensions import Buffer as ReadableBuffer

__all__ = ["DecodedImage", "check_format", "read_image", "write_image"]

FAST, SMALL = 1, 9
"""Levels of zlib."""
_BAND = 256  # rows at a time
_REMEDY = "close other programs, or choose a smaller size"
_HEADER = 33  # bytes of a PNG before its other chunks
_log = logging.getLogger(__name__)


def read_image(path: Path, page: int | None = None, *, small: bool = False) -> DecodedImage:
    """Reads an image of 8 or 16 bit: grey, palette, RGB, CMYK or CIELab, with alpha or without.

    Its content says the format (see `kdsr.formats`), not its suffix. EXIF orientation
    is applied; what the file says of its numbers is heeded, or the file refused. CMYK and CIELab
    are converted to sRGB. Of several frames or pages the first is read. What is left out, and what
    Pillow warns of, is logged, as one line for each image.

    Args:
        path: The file.
        page: Number of a TIFF's page, without a remark on the others.
        small: Keep an opaque image of 8 bits as uint8, in a quarter of the memory; see
            `kdsr.pixels.as_floats`.

    Raises:
        ImageError: If the file is missing, empty, unreadable, damaged or not such an image.
    """
    with reading(path, ImageError, "the image is damaged or truncated"), remarks_on(path) as said:
        return decoded(path, said, page, small=small)


def check_format(
    path: Path, *, transparent: bool, size: tuple[int, int], colours: Chunks = ()
) -> None:
    """Refuses a name that an image cannot be written under, before work goes into it.

    Args:
        path: Path of the result; its suffix decides the format.
        transparent: Whether some of it is transparent.
        size: Its (height, width).
        colours: Colour information, if there is no profile.

    Raises:
        ImageError: If the format is not known or cannot hold transparency, that many pixels or
            those colours.
    """
    kind = format_of(path)
    if kind is None or not kind.written:
        raise ImageError(
            f"{path}: cannot write this format; use one of {', '.join(IMAGE_WRITE_SUFFIXES)}"
        )
    if transparent and not kind.alpha:
        raise ImageError(f"{path}: JPEG cannot hold transparency; use --format png or webp")
    if kind.longest_side is not None and max(size) > kind.longest_side:
        raise ImageError(
            f"{path}: {kind.suffixes[0][1:]} files have at most {kind.longest_side:,} px a side, "
            f"the result has {size[1]:,} x {size[0]:,}; use --format png or tif"
        )
    if colours and not kind.named_colours:
        from .profiles import profile_for

        try:
            profile_for(colours, grey=False)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None


def write_image(
    path: Path,
    pixels: Tensor,
    like: DecodedImage,
    *,
    quality: int = 95,
    compress: bool = False,
    overwrite: bool = True,
    strip: bool = False,
) -> None:
    """Writes an image, whole or not at all, in the kind that `like` was read from.

    Args:
        path: `.png`, `.jpg`, `.webp`, `.tif` or `.exr`; the suffix says the format.
        pixels: (3 or 4, H, W), float in [0, 1], or uint8.
        like: Gives depth, greyness, what colours mean, and the metadata; what of it the format has
            no place for is logged, as one line.
        quality: Quality of JPEG and WebP, 1-100.
        compress: Whether to write the smallest PNG. Otherwise a PNG is about a fifth larger, and
            writing takes a thirtieth of the time, less than the network takes.
        overwrite: Whether to replace an existing file.
        strip: Leave the metadata out, except for what colours mean.

    Raises:
        ImageError: If the format is not known or cannot hold the image, the file exists, or the
            disk refuses.
        OutOfMemoryError: If encoding takes more memory than there is.
    """
    with explaining_shortage(f"to write {path}", _REMEDY):
        like = replace(like, metadata=Metadata()) if strip else like
        _write(path, pixels, like, quality, SMALL if compress else FAST, overwrite=overwrite)


def _write(
    path: Path, pixels: Tensor, like: DecodedImage, quality: int, level: int, *, overwrite: bool
) -> None:
    height, width = pixels.shape[1:]
    kind = format_of(path)
    if kind is not None and not kind.alpha and not _lets_through(pixels):
        pixels = pixels[:3]
    transparent = pixels.shape[0] == 4
    named = () if like.icc else like.colours
    check_format(path, transparent=transparent, size=(height, width), colours=named)
    assert kind is not None
    array, lost = to_array(pixels, like, kind)
    said = what_is_said(like, kind, (height, width), array)
    with saving(path, overwrite=overwrite) as temporary:
        left = _save(temporary, array, kind, said, quality, level)
    leftovers(path, kind, left + lost, said.metadata.foreign)


@contextmanager
def saving(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """`kdsr.atomic.writing` for images.

    Raises:
        ImageError: If the file cannot be written.
        OutOfMemoryError: If encoding takes more memory than there is.
    """
    try:
        with (
            explaining_shortage(f"to write {path}", _REMEDY),
            writing(path, overwrite=overwrite) as temporary,
        ):
            yield temporary
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from None


def leftovers(path: Path, kind: ImageFormat, left: list[str], foreign: Iterable[str]) -> None:
    """Says in one line what a format has no place for, and what no result can say."""
    lines = [f"{kind.name} has no place for {', '.join(left)}: left out"] if left else []
    if names := ", ".join(foreign):
        lines.append(f"left out, as no result that is written here can say it: {names}")
    if lines:
        _log.warning("%s", printable(f"{path}: {'; '.join(lines)}"))


def what_is_said(
    like: DecodedImage, kind: ImageFormat, size: tuple[int, int], pixels: np.ndarray
) -> "Said":
    """Makes the metadata of a result.

    Args:
        like: Image that the result was made from.
        kind: Format of the file.
        size: (height, width) of the result.
        pixels: Pixels for a thumbnail, (H, W, C): the result, or a similar picture.
    """
    metadata = like.metadata
    if metadata:
        metadata = metadata.renewed(size, size[1] / like.rgb.shape[-1], pixels)
    icc = like.icc
    if icc is not None and like.floats and not kind.floats:
        from .profiles import is_linear, with_curve

        icc = with_curve(icc) if is_linear(icc) else icc
    if icc is None and like.colours and not kind.named_colours:
        from .profiles import profile_for

        linear = kind.floats and like.floats is not None
        icc = profile_for(like.colours, grey=like.grey, linear=linear)
    return Said(icc, like, metadata)


class Said(NamedTuple):
    """Metadata to write into a file."""

    icc: bytes | None
    like: DecodedImage
    metadata: Metadata


def _save(
    path: Path, array: np.ndarray, kind: ImageFormat, said: Said, quality: int, level: int
) -> list[str]:
    """Writes the file; returns what it has no place for."""
    metadata, icc = said.metadata, said.icc
    if kind is PNG:
        told, left = metadata.for_png()
        chunks = [*said.like.colours, *told]
        if array.dtype == np.uint16:
            write_png(path, array.shape, [array], icc, level, chunks)
        else:
            chunks += [profile_chunk(icc)] if icc else []
            _by_pillow(path, array, kind, {"compress_level": level}, chunks)
        return left
    if kind is EXR:
        from .deep_color import chromaticities, write_exr

        write_exr(path, array, said.like.colours, metadata.attributes)
        unsaid = icc and not chromaticities(said.like.colours)
        names = replace(metadata, attributes=()).all_names()
        return names + (["a colour profile"] if unsaid else [])
    if kind is TIFF:
        from .tiff_writing import Page, is_big, write_tiff

        tags, left = metadata.for_tiff()
        page = Page(array.shape, array.dtype, [array], icc, metadata.exif, metadata.dpi, tags)
        write_tiff(path, [page], big=is_big([page]))
        return left
    options, left = metadata.for_jpeg() if kind is JPEG else metadata.for_webp()
    options |= {"icc_profile": icc} if icc else {}
    lossless = kind is WEBP and said.like.lossless
    options |= {"lossless": True} if lossless else {"quality": quality}
    options |= {"subsampling": 0} if kind is JPEG else {}
    _by_pillow(path, array, kind, options)
    return left


def _by_pillow(
    path: Path,
    array: np.ndarray,
    kind: ImageFormat,
    options: dict[str, Any],
    chunks: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    with _WithChunks(_PythonFile(str(path), "wb"), chunks) as file:
        image.save(file, kind.name, **options)


def _lets_through(pixels: Tensor) -> bool:
    opaque = 255 if pixels.dtype == torch.uint8 else 1
    return pixels.shape[0] == 4 and bool((pixels[3] < opaque).any())


class _PythonFile(io.FileIO):
    """A file into which only Python writes.

    Pillow's encoders, given a descriptor, take half a write for a whole one: on a full disk they
    would leave a truncated image without a word.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


class _WithChunks(io.BufferedWriter):
    """Puts chunks behind the header of a PNG: Pillow leaves out those that it does not know."""

    def __init__(self, file: io.RawIOBase, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__(file)
        self._chunks, self._written = list(chunks), 0

    def write(self, data: "ReadableBuffer") -> int:
        """Writes what Pillow does; its header comes in writes of its own."""
        count = super().write(data)
        self._written += count
        if self._chunks and self._written == _HEADER:
            chunks, self._chunks = self._chunks, []
            for name, content in chunks:
                write_chunk(self, name, content)
        return count


def to_array(pixels: Tensor, like: DecodedImage, kind: ImageFormat) -> tuple[np.ndarray, list[str]]:
    """Converts pixels to the file's number type, (H, W, C); also names what the file cannot hold.

    Args:
        pixels: (3 or 4, H, W), float in [0, 1], or uint8.
        like: Image that they were made from.
        kind: Format of the file.
    """
    pixels = _greyed(pixels) if like.grey else pixels
    pixels = rearrange(pixels, "c h w -> h w c")
    if kind is EXR:
        pixels = as_floats(pixels)
    if pixels.dtype == torch.uint8:
        return np.ascontiguousarray(pixels.numpy()), []
    lost: list[str] = []
    colours = 1 if pixels.shape[2] <= 2 else 3
    if kind.floats and (like.floats or kind is EXR):
        kept = like.curved and kind is not EXR
        light = linear_of(pixels[..., :colours], like.span, curved=kept)
        made = torch.cat((light, pixels[..., colours:].float()), 2)
        return made.numpy().astype(like.floats or np.float32), lost
    if like.floats:
        lost = ["values beyond white"] if like.span > 1 else []
        curve = shown(pixels[..., :colours], like.span)
        pixels = torch.cat((curve, pixels[..., colours:].float()), 2)
    deep = like.deep and kind.deep
    return to_words(pixels) if deep else to_bytes(pixels).numpy(), lost


def _greyed(pixels: Tensor) -> Tensor:
    """(3 or 4, H, W) -> (1 or 2, H, W): the mean of the colours, of bytes rounded to a byte."""
    grey = pixels.new_empty(pixels.shape[0] - 2, *pixels.shape[1:])
    grey[1:] = pixels[3:]
    for top in range(0, pixels.shape[1], _BAND):  # a copy of a large image would not fit beside it
        rows = slice(top, top + _BAND)
        mean = pixels[:3, rows].float().mean(0)
        grey[0, rows] = mean if pixels.is_floating_point() else mean.round_()
    return grey
