"""Training photographs: decoded once into a memory-mapped cache, cropped on the fly.

The cache is one flat uint8 file plus an index; its name holds a fingerprint of the source files, so
that changed data gets a new cache and an unchanged folder is never decoded twice.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from kdsr.atomic import replacing
from kdsr.errors import KDSRError
from train.degradation.draws import CROPS, generator

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif"}


class DataError(KDSRError):
    """Training images that cannot be used."""


def find_images(source: Path) -> list[Path]:
    """All images of a source, sorted.

    Args:
        source: A folder (searched recursively; a `datasets` ImageFolder is one), an image, or a
            `.txt` list with one path a line, relative to the list.

    Raises:
        DataError: If there is none.
    """
    if source.suffix == ".txt" and source.is_file():
        lines = source.read_text(encoding="utf-8").splitlines()
        paths = [source.parent / line.strip() for line in lines if line.strip()]
    elif source.is_file():
        paths = [source]
    else:
        paths = [path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES]
    if not paths:
        found = "the folder holds none" if source.is_dir() else "there is no such file or folder"
        raise DataError(
            f"expected training images at {source} ({', '.join(sorted(SUFFIXES))}), but {found}"
        )
    return sorted(paths)


def read_rgb(path: Path) -> np.ndarray:
    """Decodes an image to (H, W, 3) uint8, upright.

    Raises:
        DataError: If the file cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be decoded: {error}; remove or replace it") from None


@dataclass(frozen=True)
class CachedImage:
    """Where one image lies in the cache file.

    Attributes:
        name: Path relative to the source.
        offset: First byte.
        height: Pixels.
        width: Pixels.
    """

    name: str
    offset: int
    height: int
    width: int


class ImageCache:
    """Decoded photographs in one memory-mapped file.

    Args:
        index: Where each image lies.
        data: The flat file.
        fingerprint: Of the sources.
    """

    def __init__(self, index: list[CachedImage], data: np.ndarray, fingerprint: str) -> None:
        self.index, self.fingerprint = index, fingerprint
        self.data = torch.from_numpy(data)

    def __len__(self) -> int:
        return len(self.index)

    def image(self, i: int) -> Tensor:
        """One image as a view: (H, W, 3) uint8."""
        entry = self.index[i]
        flat = self.data[entry.offset : entry.offset + entry.height * entry.width * 3]
        return flat.view(entry.height, entry.width, 3)


def open_cache(source: Path, folder: Path, min_side: int) -> ImageCache:
    """Opens the cache of a source, decoding it first if need be.

    Args:
        source: See `find_images`.
        folder: Where caches are kept.
        min_side: Images with a shorter side are left out.

    Raises:
        DataError: If no image is large enough, or one cannot be decoded.
    """
    paths = find_images(source)
    fingerprint = _fingerprint(paths)
    index_path = folder / f"{fingerprint}.json"
    data_path = folder / f"{fingerprint}.rgb"
    if not index_path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _decode(paths, source, data_path, index_path)
    index = [CachedImage(**entry) for entry in json.loads(index_path.read_text(encoding="utf-8"))]
    usable = [entry for entry in index if min(entry.height, entry.width) >= min_side]
    if not usable:
        largest = max((min(entry.height, entry.width) for entry in index), default=0)
        raise DataError(
            f"all {len(index)} images at {source} are smaller than the {min_side} px crop (the "
            f"largest has a side of {largest} px); use larger images or a smaller patch"
        )
    # Copy-on-write: torch wants writable memory, nothing is ever written.
    data = np.memmap(data_path, dtype=np.uint8, mode="c")
    return ImageCache(usable, data, fingerprint)


def _fingerprint(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        stat = path.stat() if path.exists() else None
        digest.update(f"{path.name}:{stat.st_size if stat else 'missing'};".encode())
    return digest.hexdigest()[:16]


def _decode(paths: Sequence[Path], source: Path, data_path: Path, index_path: Path) -> None:
    index, offset = [], 0
    root = source if source.is_dir() else source.parent
    with replacing(data_path) as temporary:
        with temporary.open("wb") as file:
            for path in paths:
                pixels = read_rgb(path)
                name = os.path.relpath(path, root)
                index.append(CachedImage(name, offset, *pixels.shape[:2]).__dict__)
                offset += pixels.size
                file.write(np.ascontiguousarray(pixels).data)
    with replacing(index_path) as temporary:
        temporary.write_text(json.dumps(index), encoding="utf-8")


class CropSampler:
    """Random crops with flips and quarter turns, a function of (seed, step, sample).

    Images are drawn in proportion to their area.

    Args:
        cache: Decoded photographs.
        size: Side of the crops in pixels.
        seed: Of the run.
    """

    def __init__(self, cache: ImageCache, size: int, seed: int) -> None:
        self.cache, self.size, self.seed = cache, size, seed
        areas = np.array([entry.height * entry.width for entry in cache.index], dtype=np.float64)
        self.cumulative = np.cumsum(areas) / areas.sum()

    def batch(self, step: int, samples: Sequence[int], device: torch.device) -> Tensor:
        """Crops for the given samples of a step: (B, 3, size, size) in [0, 1] on `device`."""
        crops = torch.empty(len(samples), self.size, self.size, 3, dtype=torch.uint8)
        for crop, (image, top, left, turns, flip) in zip(
            crops, self._places(step, samples), strict=True
        ):
            part = self.cache.image(image)[top : top + self.size, left : left + self.size]
            part = torch.rot90(part, turns)
            crop.copy_(part.flip(1) if flip else part)
        return crops.to(device).permute(0, 3, 1, 2).float().div_(255).contiguous()

    def _places(
        self, step: int, samples: Sequence[int]
    ) -> Iterator[tuple[int, int, int, int, bool]]:
        for sample in samples:
            u = generator(self.seed, step, sample, CROPS).random(5)
            image = min(int(np.searchsorted(self.cumulative, u[0])), len(self.cache) - 1)
            entry = self.cache.index[image]
            top = int(u[1] * (entry.height - self.size + 1))
            left = int(u[2] * (entry.width - self.size + 1))
            yield image, top, left, int(u[3] * 4), bool(u[4] < 0.5)
