"""Pairs of images in folders, as people have them."""

import atexit
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.places import PHOTOS


def small_photos() -> Path:
    """A folder with 96 x 96 px of each photograph; it goes with the process."""
    folder = Path(tempfile.mkdtemp()) / "photos"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    folder.mkdir()
    for path in PHOTOS.glob("*.jpg"):
        with Image.open(path) as image:
            image.crop((100, 100, 196, 196)).save(folder / path.name, quality=95)
    return folder


def photo(number: int = 0) -> Image.Image:
    """One of the photographs that come with the project; its sides are multiples of 8."""
    with Image.open(sorted(PHOTOS.glob("*.jpg"))[number]) as image:
        return image.convert("RGB").crop((0, 0, image.width // 8 * 8, image.height // 8 * 8))


def shrunk(image: Image.Image, scale: int) -> Image.Image:
    return image.resize((image.width // scale, image.height // scale), Image.Resampling.BICUBIC)


def noisy(image: Image.Image, sigma: float = 12.0, seed: int = 0) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float64)
    pixels = pixels + np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def make_pairs(folder: Path, count: int = 3, scale: int = 4, side: int = 320) -> tuple[Path, Path]:
    """Folders GT and LQ with the same names but other suffixes: photographs, shrunk and noisy."""
    gt, lq = folder / "GT", folder / "LQ"
    gt.mkdir()
    lq.mkdir()
    for number in range(count):
        image = photo(number).crop((0, 0, side, side))
        image.save(gt / f"{number}.png")
        noisy(shrunk(image, scale), seed=number).save(lq / f"{number}.webp", lossless=True)
    return gt, lq
