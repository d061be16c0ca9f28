"""Decodes training photographs once into a memory-mapped file."""

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kdsr.atomic import writing
from train.data.image_files import find_images, held_out_names, read_rgb, some
from train.errors import DataError


@dataclass(frozen=True)
class CachedImage:
    """Place of one image in the cache file.

    Attributes:
        name: Path relative to the source.
        offset: Position of the first byte.
        height: Height in pixels.
        width: Width in pixels.
    """

    name: str
    offset: int
    height: int
    width: int


@dataclass(frozen=True)
class ImageCache:
    """Decoded photographs in one flat array of bytes.

    Attributes:
        index: Places of the images.
        data: Flat uint8 tensor: a memory-mapped file, or its copy on a GPU.
        fingerprint: Hash of all names and pixels of the source.
    """

    index: tuple[CachedImage, ...]
    data: Tensor
    fingerprint: str

    def __len__(self) -> int:
        return len(self.index)

    def image(self, i: int) -> Tensor:
        """Image number `i` as a view, (H, W, 3), uint8."""
        entry = self.index[i]
        flat = self.data[entry.offset : entry.offset + entry.height * entry.width * 3]
        return flat.view(entry.height, entry.width, 3)

    def split(self, hold_out: int) -> tuple["ImageCache", "ImageCache"]:
        """Splits off `hold_out` images, chosen by the hash of their names: (rest, held out)."""
        return self.parted(held_out_names([entry.name for entry in self.index], hold_out))

    def parted(self, held: set[str]) -> tuple["ImageCache", "ImageCache"]:
        """Splits off the images with these names: (rest, held out)."""
        is_held = [entry.name in held for entry in self.index]
        return self.where([not out for out in is_held]), self.where(is_held)

    def where(self, wanted: Sequence[bool]) -> "ImageCache":
        """The images whose place in `wanted` is true."""
        return replace(self, index=tuple(itertools.compress(self.index, wanted)))

    def at_least(self, side: int) -> tuple["ImageCache", list[str]]:
        """Drops images with a side shorter than `side` pixels; returns also the dropped names.

        Raises:
            DataError: If no image is left.
        """
        large = self.large_enough(side)
        small = [e.name for e, fits in zip(self.index, large, strict=True) if not fits]
        return self.where(large), small

    def large_enough(self, side: int) -> list[bool]:
        """Whether each image has at least `side` pixels a side.

        Raises:
            DataError: If none has.
        """
        if not self.index:
            raise DataError("no image is left to train on: --hold_out takes all; lower it")
        sides = [min(e.height, e.width) for e in self.index]
        if max(sides) < side:
            raise DataError(
                f"all {len(self)} images are smaller than the crop of {side} px (the largest has "
                f"a shorter side of {max(sides)} px); use larger images or a smaller --patch"
            )
        return [n >= side for n in sides]

    def on(self, device: torch.device) -> "ImageCache":
        """A copy with its pixels on the GPU, if they fill at most a third of its free memory."""
        if device.type != "cuda" or self.data.numel() > torch.cuda.mem_get_info(device)[0] / 3:
            return self
        return replace(self, data=self.data.to(device))


def open_cache(source: Path, folder: Path) -> ImageCache:
    """Opens the cache of a source; decodes it first if it is new or has changed.

    Args:
        source: Photographs; see `find_images`.
        folder: Folder of all caches.

    Raises:
        DataError: If there is no image, one cannot be decoded, or the disk is full.
    """
    return cached(find_images(source), source if source.is_dir() else source.parent, folder)


def cached(paths: Sequence[Path], root: Path, folder: Path) -> ImageCache:
    """Opens the cache of some files; decodes them first if they are new or have changed.

    Args:
        paths: Image files.
        root: Folder that the names in the cache are relative to.
        folder: Folder of all caches.

    Raises:
        DataError: If one cannot be decoded, or the disk is full.
    """
    key = cache_key(paths)
    index_path, data_path = folder / f"{key}.json", folder / f"{key}.rgb"
    if not index_path.is_file():
        _decode(paths, root, data_path, index_path)
    described = json.loads(index_path.read_text(encoding="utf-8"))
    # The same files under another root are the same cache: names are not taken from it.
    index = tuple(
        CachedImage(os.path.relpath(path, root), *place)
        for path, (_, *place) in zip(paths, described["images"], strict=True)
    )
    # Copy-on-write: torch wants writable memory, nothing is ever written.
    data = torch.from_numpy(np.memmap(data_path, dtype=np.uint8, mode="c"))
    return ImageCache(index, data, described["fingerprint"])


def cache_key(paths: Sequence[Path]) -> str:
    """Name of a cache: a hash of paths, file sizes and modification times."""
    digest = hashlib.sha256(b"2")  # the cache's format
    for path in paths:
        stat = path.stat()
        digest.update(f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns};".encode())
    return digest.hexdigest()[:16]


def _decode(paths: Sequence[Path], root: Path, data_path: Path, index_path: Path) -> None:
    """Writes the pixels, then the index; the index therefore proves that both are complete."""
    digest, index, broken, offset = hashlib.sha256(), [], [], 0
    try:
        data_path.parent.mkdir(parents=True, exist_ok=True)
        with writing(data_path) as temporary:
            with temporary.open("wb") as file:
                for path, pixels in _decoded(paths, broken):
                    entry = CachedImage(os.path.relpath(path, root), offset, *pixels.shape[:2])
                    index.append(astuple(entry))
                    digest.update(f"{path.name}:{pixels.shape};".encode())
                    digest.update(pixels.data)
                    file.write(pixels.data)
                    offset += pixels.size
            if broken:
                raise DataError(
                    f"{some(broken)}; remove or replace {'it' if len(broken) == 1 else 'them'}, "
                    "--check-data lists all problems of a folder"
                )
        with writing(index_path) as temporary:
            described = {"fingerprint": digest.hexdigest()[:16], "images": index}
            temporary.write_text(json.dumps(described), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"cannot write the cache of decoded images in {data_path.parent}: {error.strerror}; "
            "make room, or name another folder with --cache"
        ) from None


def _decoded(paths: Sequence[Path], broken: list[str]) -> Iterator[tuple[Path, np.ndarray]]:
    for path in paths:
        try:
            yield path, np.ascontiguousarray(read_rgb(path))
        except DataError as error:  # noqa: PERF203 - one message names all of them
            broken.append(str(error))
