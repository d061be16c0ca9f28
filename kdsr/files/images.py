"""Image files to tensors and back: depth, transparency, orientation and colour profile kept."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from ..atomic import writing
from ..errors import ImageError
from ..memory import explaining_shortage, is_out_of_memory
from ..pixels import to_bytes, to_words
from ..reading import reading
from .deep_color import check_readable, is_deep, read_deep, write_png, write_tiff
from .image_formats import LONGEST_SIDES, WRITE_SUFFIXES
from .opening import open_image, orientation, warnings_of

_DEEP_SUFFIXES = (".png", ".tif", ".tiff")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what sets it upright."""
_FAST, _SMALL = 1, 9  # of zlib, for PNG
_BAND = 256  # rows at a time


@dataclass(frozen=True)
class DecodedImage:
    """What was in an image file.

    Attributes:
        rgb: (1, 3, H, W), float32 in [0, 1].
        alpha: (1, 1, H, W) in [0, 1], or None.
        grey: Whether the file was grey; it is then written so.
        deep: Whether it had 16 bits a channel; it is then written so where the format can.
        icc: Its colour profile, kept as it is.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    grey: bool = False
    deep: bool = False
    icc: bytes | None = None


def read_image(path: Path) -> DecodedImage:
    """Reads an image of 8 or 16 bit: grey, palette, RGB or CMYK, with alpha or without.

    Its content says the format (see `FORMATS` in `kdsr.files.opening`), not its suffix. EXIF
    orientation is applied. CMYK is converted to RGB, and its profile then dropped. Of several
    frames or pages the first is read. 16-bit grey with alpha, and 16-bit colours premultiplied by
    their alpha, are read as 8 bit. What Pillow warns of is logged, as one line for each image.

    Raises:
        ImageError: If the file is missing, empty, unreadable, damaged or not such an image.
    """
    with reading(path, ImageError, "the image is damaged or truncated"), warnings_of(path):
        return _decode(path)


def _decode(path: Path) -> DecodedImage:
    with open_image(path) as image:
        icc = image.info.get("icc_profile")
        if min(image.size) < 1:
            raise ImageError(f"the image has no pixels ({image.width} x {image.height})")
        check_readable(image)
        if is_deep(image):  # asked first: reading EXIF may load the pixels
            pixels, turn = read_deep(path)
            return _from_array(_upright(pixels, turn), icc)
        image.load()
        # Not by `exif_transpose`: it writes the tags anew, and fails at ruined ones.
        turned = _TURNS.get(orientation(image))
        return _from_image(image if turned is None else image.transpose(turned), icc)


def _from_image(image: Image.Image, icc: bytes | None) -> DecodedImage:
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() == (255, 255):
            image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        icc = None if image.mode == "CMYK" else icc
        image = image.convert("RGB")
    array = np.asarray(image)
    return _from_array(array if array.ndim == 3 else array[..., None], icc)


def _upright(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Applies an EXIF orientation to (H, W, C)."""
    if turn in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _from_array(pixels: np.ndarray, icc: bytes | None) -> DecodedImage:
    """(H, W, 1 to 4), uint8 or uint16."""
    deep = pixels.dtype == np.uint16
    values = torch.from_numpy(pixels.astype(np.float32) / (65535 if deep else 255))
    channels = rearrange(values, "h w c -> 1 c h w")
    count = channels.shape[1]
    alpha = channels[:, -1:] if count in (2, 4) else None
    grey = count <= 2
    rgb = channels[:, :1].expand(-1, 3, -1, -1) if grey else channels[:, :3]
    return DecodedImage(rgb.contiguous(), alpha, grey, deep, icc)


def check_format(path: Path, *, transparent: bool, size: tuple[int, int]) -> None:
    """Refuses a name that an image cannot be written under, before work goes into it.

    Args:
        path: Where the image is to go; the suffix says the format.
        transparent: Whether it has alpha.
        size: Its (height, width).

    Raises:
        ImageError: If the format is not known or cannot hold transparency or that many pixels.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITE_SUFFIXES:
        raise ImageError(
            f"{path}: cannot write this format; use one of {', '.join(WRITE_SUFFIXES)}"
        )
    if transparent and suffix in (".jpg", ".jpeg"):
        raise ImageError(f"{path}: JPEG cannot hold transparency; use --format png or webp")
    longest = LONGEST_SIDES.get(suffix)
    if longest is not None and max(size) > longest:
        raise ImageError(
            f"{path}: {suffix[1:]} files have at most {longest:,} px a side, the result has "
            f"{size[1]:,} x {size[0]:,}; use --format png or tif"
        )


def write_image(
    path: Path,
    pixels: Tensor,
    like: DecodedImage,
    *,
    quality: int = 95,
    compress: bool = False,
    overwrite: bool = True,
) -> None:
    """Writes an image, whole or not at all, in the kind that `like` was read from.

    Args:
        path: `.png`, `.jpg`, `.webp` or `.tif`; the suffix says the format.
        pixels: (3 or 4, H, W), float in [0, 1], or uint8.
        like: Gives depth, greyness and colour profile.
        quality: Of JPEG and WebP, 1-100.
        compress: PNG as small as it gets. Otherwise it is about a fifth larger, and written in a
            thirtieth of the time: less than the network takes.
        overwrite: Whether a file that exists is replaced.

    Raises:
        ImageError: If the format is not known or cannot hold the image, the file exists, or the
            disk refuses.
        OutOfMemoryError: If encoding takes more memory than there is.
    """
    with explaining_shortage(f"to write {path}", "close other programs, or choose a smaller size"):
        _write(path, pixels, like, quality, _SMALL if compress else _FAST, overwrite=overwrite)


def _write(
    path: Path, pixels: Tensor, like: DecodedImage, quality: int, level: int, *, overwrite: bool
) -> None:
    height, width = pixels.shape[1:]
    check_format(path, transparent=pixels.shape[0] == 4, size=(height, width))
    suffix = path.suffix.lower()
    if like.grey:
        pixels = _greyed(pixels)
    deep = like.deep and suffix in _DEEP_SUFFIXES
    array = _to_array(pixels, deep)
    try:
        with writing(path, overwrite=overwrite) as temporary:
            if deep and suffix == ".png":
                write_png(temporary, array, like.icc, level)
            elif deep:
                write_tiff(temporary, array, like.icc)
            else:
                _save_8_bit(temporary, array, suffix, like.icc, quality, level)
    except OSError as error:
        if is_out_of_memory(error):
            raise
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from None


class _PythonFile(io.FileIO):
    """A file into which only Python writes.

    Pillow's encoders, given a descriptor, take half a write for a whole one: on a full disk they
    would leave a truncated image without a word.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _to_array(pixels: Tensor, deep: bool) -> np.ndarray:
    pixels = rearrange(pixels, "c h w -> h w c")
    if pixels.dtype != torch.uint8:
        return to_words(pixels) if deep else to_bytes(pixels).numpy()
    return np.ascontiguousarray(pixels.numpy())


def _greyed(pixels: Tensor) -> Tensor:
    """(3 or 4, H, W) -> (1 or 2, H, W): the mean of the colours, of bytes rounded to a byte."""
    grey = pixels.new_empty(pixels.shape[0] - 2, *pixels.shape[1:])
    grey[1:] = pixels[3:]
    for top in range(0, pixels.shape[1], _BAND):  # a copy of a large image would not fit beside it
        rows = slice(top, top + _BAND)
        mean = pixels[:3, rows].float().mean(0)
        grey[0, rows] = mean if pixels.is_floating_point() else mean.round_()
    return grey


def _save_8_bit(
    path: Path, array: np.ndarray, suffix: str, icc: bytes | None, quality: int, level: int
) -> None:
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}.get(
        suffix, suffix[1:].upper()
    )
    options: dict[str, object] = {"icc_profile": icc} if icc else {}
    if kind in ("JPEG", "WEBP"):
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = 0
    if kind == "PNG":
        options["compress_level"] = level
    if kind == "TIFF":
        options["compression"] = "tiff_deflate"
    with io.BufferedWriter(_PythonFile(str(path), "wb")) as file:
        image.save(file, kind, **options)
