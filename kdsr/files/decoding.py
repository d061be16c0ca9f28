"""Decodes image files to pixels, by the stated meaning of their numbers, without guesses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image

from ..errors import ImageError
from ..pixels import BYTE, WORD, bleed, coded
from .blocks import Chunks, is_bare, named_colours, read_chunks
from .decoded_image import DecodedImage, Metadata
from .opening import (
    UnknownImageError,
    check_pixels,
    is_deep,
    is_exr,
    is_lossless_webp,
    is_motorola_bigtiff,
    is_tiff,
    needs_tifffile,
    open_image,
    orientation,
    profile_of_bmp,
)

_ROWS = 256  # that are converted at a time
_SAMPLES, _BITS = 277, 258
_RUINED_PROFILE = "its colour profile is damaged: left out"
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


def decoded(
    path: Path, said: list[str], page: int | None = None, *, small: bool = False
) -> DecodedImage:
    """Decodes an image; anything may be raised for a damaged one.

    Args:
        path: The file.
        said: Takes remarks, of what is left out for instance.
        page: Number of a TIFF's page; by default the first, with a remark on the others.
        small: Whether to return uint8; see `kdsr.files.images.read_image`.
    """
    found = _decoded(path, said, page, small=small)
    return replace(found, icc=_fitting(found.icc, said, grey=found.grey))


def _decoded(path: Path, said: list[str], page: int | None, *, small: bool) -> DecodedImage:
    if is_exr(path):
        from .deep_color import attributes_of, colours_of, read_exr

        found = _from_floats(read_exr(path, said), said)
        told = Metadata(attributes=attributes_of(path, said))
        return replace(found, colours=colours_of(path), metadata=told)
    pages: tuple[int, ...] = (0,)
    if not page and is_tiff(path):
        from .tiff_reading import pages_of

        pages = pages_of(path, said)
    if len(pages) > 1 and page is None:
        said.append(f"of its {len(pages)} pages the first is read")
    page = page or min(pages)  # smaller copies may come first
    if not is_motorola_bigtiff(path):
        try:
            with open_image(path, page) as image:
                if min(image.size) < 1:
                    raise ImageError(f"the image has no pixels ({image.width} x {image.height})")
                if not needs_tifffile(image):
                    return replace(_by_pillow(path, image, said, page, small=small), pages=pages)
        except UnknownImageError:  # what Pillow does not know, tifffile may
            if not is_tiff(path):
                raise
    return replace(_by_tifffile(path, said, page), pages=pages)


def _by_tifffile(path: Path, said: list[str], page: int) -> DecodedImage:
    from .profiles import is_linear
    from .tiff_reading import read_tiff

    found = read_tiff(path, page)
    said += [found.remark] if found.remark else []
    metadata, colours = _of_tiff(path, page, found.orientation, said, found.icc)
    values = _upright(found.values, found.orientation)
    curved = found.icc is not None and is_linear(found.icc) is False
    floats = values.dtype.kind == "f"
    picture = _from_floats(values, said, curved=curved) if floats else _from_array(values)
    return replace(picture, icc=found.icc, colours=colours, metadata=metadata)


def _of_tiff(
    path: Path, page: int, turn: int, said: list[str], icc: bytes | None
) -> tuple[Metadata, Chunks]:
    """Metadata of a page, and its colour space if it has no profile."""
    from .metadata_reading import read_tiff_metadata
    from .profiles import primaries_as_chunks

    try:
        metadata, primaries = read_tiff_metadata(path, page, turn, said)
    except Exception:  # noqa: BLE001 - ruined metadata is no reason to refuse the pixels
        said.append("its metadata is ruined: left out")
        return Metadata(), ()
    return metadata, () if icc else primaries_as_chunks(primaries)


def _fitting(icc: bytes | None, said: list[str], *, grey: bool) -> bytes | None:
    """A profile that is one, and of the kind of these pixels; else None, and a remark."""
    if icc is None:
        return None
    from .profiles import space_of  # only here: most images have no profile

    wanted, has = "GRAY" if grey else "RGB", space_of(icc)
    if len(icc) < 128 or icc[36:40] != b"acsp" or int.from_bytes(icc[:4], "big") > len(icc):
        said.append(_RUINED_PROFILE)
    elif has != wanted:
        said.append(f"its profile is one of {has}, not of {wanted}: left out")
    else:
        return icc
    return None


def _by_pillow(
    path: Path, image: Image.Image, said: list[str], page: int, *, small: bool
) -> DecodedImage:
    icc, kind = image.info.get("icc_profile"), image.format
    icc = profile_of_bmp(path) if kind == "BMP" else icc
    if icc is None and _has_lost_profile(path, image):
        said.append(_RUINED_PROFILE)
    colours, turn = _colours(path, kind), 1
    if kind != "TIFF" and getattr(image, "n_frames", 1) > 1:
        said.append(f"of its {getattr(image, 'n_frames', 1)} pictures the first is read")
    if is_deep(image):  # asked first: reading EXIF may load the pixels
        from .deep_color import read_deep

        pixels, turn = read_deep(path, page)
        found = _from_array(_upright(pixels, turn))
    else:
        image.load()
        turn = orientation(image)
        deep = None
        if kind == "AVIF":
            from .deep_color import read_deep_avif

            deep = read_deep_avif(path, said)
        if deep is not None:
            found = _from_array(_upright(deep, turn))
        else:
            _remark_on_channels(image, said)
            plain, icc = _plain(path, image, icc, said)
            # Not by `exif_transpose`: it writes the tags anew, and fails at ruined ones.
            turned = plain if turn not in _TURNS else plain.transpose(_TURNS[turn])
            found = _from_image(turned, small=small)
    if kind == "TIFF":
        metadata, colours = _of_tiff(path, page, turn, said, image.info.get("icc_profile"))
    else:
        metadata = _metadata(path, image, turn, said)
    lossless = kind == "WEBP" and is_lossless_webp(path)
    return replace(found, icc=icc, colours=colours, lossless=lossless, metadata=metadata)


def _has_lost_profile(path: Path, image: Image.Image) -> bool:
    """Whether a file has a profile of which Pillow can make nothing."""
    if image.format == "PNG":
        return any(name == b"iCCP" for name, _ in read_chunks(path))
    return any(
        name == "APP2" and content.startswith(b"ICC_PROFILE\0")
        for name, content in getattr(image, "applist", ())
    )


def _remark_on_channels(image: Image.Image, said: list[str]) -> None:
    """Says which channels of a TIFF Pillow passes over."""
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    left = int(tags.get(_SAMPLES, 1)) - len(image.getbands())
    if left == 1:
        said.append("a channel that it does not describe is left out")
    elif left > 1:
        said.append(f"{left} channels that it does not describe are left out")


def _metadata(path: Path, image: Image.Image, turn: int, said: list[str]) -> Metadata:
    if image.format == "PNG" and is_bare(path):
        return Metadata()
    from .metadata_reading import read_metadata

    try:
        return read_metadata(path, image, turn, said)
    except Exception:  # noqa: BLE001 - ruined metadata is no reason to refuse the pixels
        said.append("its metadata is ruined: left out")
        return Metadata()


def _colours(path: Path, kind: str | None) -> Chunks:
    return named_colours(path) if kind in ("PNG", "AVIF") else ()


def _plain(
    path: Path, image: Image.Image, icc: bytes | None, said: list[str]
) -> tuple[Image.Image, bytes | None]:
    """An image as grey or RGB, with opacity or without, and the profile that fits it."""
    if image.mode in ("1", "L") and "transparency" in image.info:
        image = _with_named_grey(path, image)
    elif image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() == (255, 255):
            image = image.convert("RGB")
    elif image.mode in ("CMYK", "LAB"):
        bits = max(getattr(image, "tag_v2", {}).get(_BITS, (8,)))
        from .profiles import to_rgb

        image, remark = to_rgb(image, icc)
        said += [remark]
        if bits > 8:
            said.append(f"of its {bits} bits a channel 8 are kept")
        icc = None
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if icc and image.mode.startswith("RGB"):
        from .profiles import space_of

        if space_of(icc) == "GRAY" and _is_grey(image):
            image = image.convert(image.mode.replace("RGB", "L"))
    return image, icc


def _with_named_grey(path: Path, image: Image.Image) -> Image.Image:
    """Grey of which one level is transparent. Pillow takes that of few bits for one of 8 bits."""
    (bits,) = [content[8] for name, content in read_chunks(path) if name == b"IHDR"]
    named = int(image.info["transparency"])
    level = named if image.mode == "1" else named * 255 // (2**bits - 1)
    grey = image.convert("L")
    opacity = grey.point([0 if value == level else 255 for value in range(256)])
    return grey if opacity.getextrema() == (255, 255) else Image.merge("LA", (grey, opacity))


def _is_grey(image: Image.Image) -> bool:
    array = np.asarray(image)
    return bool((array[..., :1] == array[..., 1:3]).all())


def _upright(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Applies an EXIF orientation to (H, W, C)."""
    if turn in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _from_floats(values: np.ndarray, said: list[str], *, curved: bool = False) -> DecodedImage:
    """Linear light, or what a profile makes light of, (H, W, 1 to 4)."""
    if not np.isfinite(values).all():
        raise ImageError("it has NaN or infinite values; mend them in the program that made it")
    check_pixels(values.shape[1], values.shape[0])
    channels = rearrange(torch.from_numpy(values.astype(np.float32)), "h w c -> 1 c h w")
    has_alpha, grey = channels.shape[1] in (2, 4), channels.shape[1] <= 2
    light = channels[:, :-1] if has_alpha else channels
    if (light < 0).any():
        said.append("its values below 0 become 0")
    if values.dtype.itemsize > 4:
        said.append("its 64-bit values become 32-bit")
    rgb, span = coded(light.clamp_min(0), curved=curved)
    rgb = rgb.expand(-1, 3, -1, -1) if grey else rgb
    alpha = channels[:, -1:].clamp(0, 1) if has_alpha else None
    rgb = rgb if alpha is None else bleed(rgb, alpha)
    kind = "float16" if values.dtype == np.float16 else "float32"
    return DecodedImage(
        rgb.contiguous(), alpha, grey, deep=True, floats=kind, span=span, curved=curved
    )


def _from_image(image: Image.Image, *, small: bool) -> DecodedImage:
    """Pixels with 8 bits: grey or RGB, with opacity or without."""

    def rows(top: int, end: int) -> np.ndarray:
        band = np.asarray(image.crop((0, top, image.width, end)))
        return band if band.ndim == 3 else band[..., None]

    shape = (image.height, image.width, len(image.getbands()))
    return _from_rows(rows, shape, deep=False, small=small)


def _from_array(pixels: np.ndarray) -> DecodedImage:
    """(H, W, 1 to 4), uint8 or uint16."""
    deep = pixels.dtype == np.uint16
    return _from_rows(lambda top, end: pixels[top:end], pixels.shape, deep=deep)


def _from_rows(
    rows: Callable[[int, int], np.ndarray],
    shape: tuple[int, ...],
    *,
    deep: bool,
    small: bool = False,
) -> DecodedImage:
    """Some rows at a time: further copies of a large image would not fit beside it."""
    height, width, count = shape
    whole = small and not deep and count in (1, 3)
    channels = torch.empty(1, count, height, width, dtype=torch.uint8 if whole else torch.float32)
    for top in range(0, height, _ROWS):
        end = min(top + _ROWS, height)
        values = np.array(rows(top, end), dtype=np.uint8 if whole else np.float32)
        channels[0, :, top:end] = torch.from_numpy(values).movedim(2, 0)
    if not whole:
        channels.div_(WORD if deep else BYTE)
    alpha = channels[:, -1:] if count in (2, 4) else None
    grey = count <= 2
    rgb = channels[:, :1].expand(-1, 3, -1, -1) if grey else channels[:, :3]
    if alpha is not None:
        rgb = bleed(rgb, alpha)
    return DecodedImage(rgb.contiguous(), alpha, grey, deep)
