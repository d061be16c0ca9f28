"""The user's own pairs, checked once and decoded into caches like the photographs."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kdsr.atomic import writing
from train.data.cache import ImageCache, cache_key, cached
from train.data.image_files import some
from train.data.pair_check import check_pairs, refuse_serious
from train.data.pairing import Pairing
from train.errors import DataError


@dataclass(frozen=True)
class PairCache:
    """Decoded pairs: image i of one cache belongs to image i of the other.

    Attributes:
        lq: LQ images; their entries have the names of the ground truths.
        gt: Ground truths, `scale` times as large.
        scale: Upscaling factor.
        teacher: A larger model's results for the LQ images, of the size of the ground truths; or
            None.
    """

    lq: ImageCache
    gt: ImageCache
    scale: int
    teacher: ImageCache | None = None

    def __len__(self) -> int:
        return len(self.gt)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the ground truths."""
        return tuple(entry.name for entry in self.gt.index)

    @property
    def fingerprint(self) -> str:
        """Hash of names and pixels of both sides."""
        text = f"{self.lq.fingerprint}:{self.gt.fingerprint}:{self.names}"
        text += f":{self.teacher.fingerprint}" if self.teacher is not None else ""
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def parted(self, held: set[str]) -> tuple["PairCache", "PairCache"]:
        """Splits off the pairs whose ground truths have these names: (rest, held out)."""
        is_held = [name in held for name in self.names]
        return self._where([not out for out in is_held]), self._where(is_held)

    def at_least(self, side: int) -> tuple["PairCache", list[str]]:
        """Drops pairs whose GT has a side shorter than `side` pixels; returns also their names.

        Raises:
            DataError: If no pair is left.
        """
        large = self.gt.large_enough(side)
        small = [name for name, fits in zip(self.names, large, strict=True) if not fits]
        return self._where(large), small

    def _where(self, wanted: Sequence[bool]) -> "PairCache":
        return self._each(lambda side: side.where(wanted))

    def on(self, device: torch.device) -> "PairCache":
        """A copy with its pixels on the GPU, if they fit; see `ImageCache.on`."""
        return self._each(lambda side: side.on(device))

    def _each(self, change: Callable[[ImageCache], ImageCache]) -> "PairCache":
        teacher = change(self.teacher) if self.teacher is not None else None
        return replace(self, lq=change(self.lq), gt=change(self.gt), teacher=teacher)


def open_pairs(pairing: Pairing, scale: int, folder: Path) -> PairCache:
    """Checks pairs that are new or have changed, and opens their caches.

    Args:
        pairing: Pairs; see `find_pairs`.
        scale: Required size of a GT relative to its LQ.
        folder: Folder of all caches.

    Raises:
        DataError: If files are broken, of a wrong size, shifted or without a partner (names them
            all), or the disk is full.
    """
    lq_paths = [pair.lq for pair in pairing.pairs]
    gt_paths = [pair.gt for pair in pairing.pairs]
    passed = folder / f"{cache_key([*lq_paths, *gt_paths, *pairing.strays])}-x{scale}.passed"
    if not passed.is_file():
        refuse_serious(check_pairs(pairing, scale))
    names = [pair.name for pair in pairing.pairs]
    lq, gt = (_side(paths, names, folder) for paths in (lq_paths, gt_paths))
    with writing(passed) as temporary:
        temporary.write_text(f"{len(names)} pairs at x{scale}\n", encoding="utf-8")
    teacher = _pictures(pairing, gt, names, folder)
    return PairCache(lq, gt, scale, teacher)


def _pictures(
    pairing: Pairing, gt: ImageCache, names: Sequence[str], folder: Path
) -> ImageCache | None:
    """The cache of a larger model's results, or None."""
    paths = [pair.teacher for pair in pairing.pairs if pair.teacher is not None]
    if not paths:
        return None
    pictures = _side(paths, names, folder)
    wrong = [
        f"{path} ({one.width}x{one.height} px, its ground truth {other.width}x{other.height} px)"
        for path, one, other in zip(paths, pictures.index, gt.index, strict=True)
        if (one.width, one.height) != (other.width, other.height)
    ]
    if wrong:
        raise DataError(f"expected a larger model's pictures as large as the GT: {some(wrong)}")
    return pictures


def _side(paths: Sequence[Path], names: Sequence[str], folder: Path) -> ImageCache:
    """The cache of one side of all pairs; a file of several pairs is decoded once."""
    files = sorted(set(paths))
    cache = cached(files, files[0].parent, folder)
    entries = dict(zip(files, cache.index, strict=True))
    index = tuple(
        replace(entries[path], name=name) for path, name in zip(paths, names, strict=True)
    )
    return replace(cache, index=index)
