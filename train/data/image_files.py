"""Finds and reads image files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from kdsr.errors import ImageError
from kdsr.files.images import DecodedImage, read_image
from kdsr.formats import GIF, IMAGE_READ_SUFFIXES
from kdsr.pixels import shown, to_bytes
from train.errors import DataError

SUFFIXES = set(IMAGE_READ_SUFFIXES) - set(GIF.suffixes)
_HELD_BACK = {"validation", "valid", "val", "test"}
_NAMED = 5  # most files that a message names


def find_images(source: Path) -> list[Path]:
    """Finds all images of a source, sorted.

    Args:
        source: A folder, an image, or a text file with one path per line, relative to the file. A
            folder is searched recursively; if it has a `train/` subfolder, as image folders of
            `datasets` have, its `validation/` and `test/` are left out.

    Raises:
        DataError: If there is no image, or a listed file is missing.
    """
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        paths = [source]
    elif source.is_file():
        lines = (line.strip() for line in source.read_text(encoding="utf-8").splitlines())
        paths = [source.parent / line for line in lines if line and not line.startswith("#")]
        missing = [str(path) for path in paths if not path.is_file()]
        if missing:
            raise DataError(f"{source} lists files that do not exist: {some(missing)}")
    else:
        skipped = _HELD_BACK if (source / "train").is_dir() else set()
        paths = [
            path
            for path in source.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.relative_to(source).parts[0] not in skipped
        ]
    if not paths:
        found = "found none" if source.exists() else "there is no such file or folder"
        raise DataError(
            f"expected training images at {source} ({', '.join(sorted(SUFFIXES))}), but {found}"
        )
    return sorted(paths)


def read_rgb(path: Path) -> np.ndarray:
    """Decodes an image to (H, W, 3), uint8, upright; 16-bit channels are scaled to 8 bit.

    Raises:
        DataError: If the file cannot be decoded to its end.
    """
    return rgb_of(read_picture(path))


def read_picture(path: Path) -> DecodedImage:
    """Decodes an image with its metadata.

    Raises:
        DataError: If the file cannot be decoded to its end.
    """
    try:
        return read_image(path)
    except ImageError as error:
        raise DataError(f"{path} cannot be decoded: {error}") from None


def rgb_of(picture: DecodedImage) -> np.ndarray:
    """Training pixels, (H, W, 3), uint8; transparent pixels get the colours of their neighbours."""
    pixels = to_bytes(shown(picture.rgb[0], picture.span))
    return rearrange(pixels, "c h w -> h w c").numpy()


def held_out_names(names: Sequence[str], count: int) -> set[str]:
    """Chooses the images that `--hold_out count` keeps out of training, by the hash of names.

    Args:
        names: Paths relative to the source.
        count: Number of images to choose.
    """
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def load_image(path: Path) -> Tensor:
    """Reads an image as RGB in [0, 1], (1, 3, H, W)."""
    return rearrange(torch.from_numpy(read_rgb(path)), "h w c -> 1 c h w").float() / 255


def some(names: Sequence[str]) -> str:
    """Joins the first few names, for a message."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
