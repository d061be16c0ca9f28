"""Checks pairs of images: broken, of a wrong size, shifted, without partner, different content."""

from collections.abc import Iterator

import numpy as np

from train.data.alignment import align
from train.data.check import HASH_BITS, Problem, hash_distance, perceptual_hash
from train.data.image_files import read_rgb
from train.data.pairing import NamedPair, Pairing
from train.errors import DataError

MAX_SHIFT = 0.75
"""Largest accepted shift in LQ pixels. Plain decimation, which is common, shifts x4 by 0.375."""
MIN_LIKENESS = 0.5
"""Smallest correlation of two coarse images with the same content."""


def check_pairs(pairing: Pairing, scale: int) -> list[Problem]:
    """Checks every pair.

    Args:
        pairing: Pairs to check; see `find_pairs`.
        scale: Required size of a GT relative to its LQ.

    Returns:
        All problems; serious ones prevent a training.
    """
    problems = [
        Problem("stray", path, "has no ground truth with its name", serious=True)
        for path in pairing.strays
    ]
    problems += [
        Problem("alone", path, "has no LQ partner; it makes synthetic pairs only")
        for path in pairing.alone
    ]
    seen: list[tuple[NamedPair, int]] = []
    for pair in pairing.pairs:
        problems += _check(pair, scale, seen)
    return problems


def _check(pair: NamedPair, scale: int, seen: list[tuple[NamedPair, int]]) -> Iterator[Problem]:
    images = {}
    for path in (pair.gt, pair.lq):
        try:
            images[path] = read_rgb(path)
        except DataError as error:  # noqa: PERF203 - both files may be broken
            yield Problem("broken", path, str(error).removeprefix(f"{path} "), serious=True)
    if len(images) < 2:
        return
    gt, lq = images[pair.gt], images[pair.lq]
    if gt.shape[:2] != (lq.shape[0] * scale, lq.shape[1] * scale):
        words = (
            f"has {_size(lq)} px, its ground truth {pair.gt.name} {_size(gt)} px; expected "
            f"{_size(lq, scale)} px, {scale} times as many per side"
        )
        yield Problem("size", pair.lq, words, serious=True)
        return
    found = align(lq, gt)
    if found.likeness < MIN_LIKENESS:
        words = f"has other content than {pair.gt.name} (correlation {found.likeness:.2f})"
        yield Problem("different", pair.lq, words, serious=True)
    elif found.distance > MAX_SHIFT:
        words = (
            f"is shifted {found.down:+.1f} px down and {found.right:+.1f} px right against "
            f"{pair.gt.name} (LQ pixels; limit {MAX_SHIFT}): crop both to the same part"
        )
        yield Problem("shifted", pair.lq, words, serious=True)
    fingerprint = perceptual_hash(gt)
    for other, known in seen:
        if other == pair:
            yield Problem("duplicate", pair.lq, "is listed twice")
            break
        if other.gt != pair.gt and hash_distance(fingerprint, known) <= HASH_BITS:
            yield Problem("duplicate", pair.gt, f"shows the same as {other.gt}")
            break
    seen.append((pair, fingerprint))


def _size(pixels: np.ndarray, scale: int = 1) -> str:
    height, width = pixels.shape[:2]
    return f"{width * scale}x{height * scale}"


def refuse_serious(problems: list[Problem]) -> None:
    """Raises an error if any pair cannot be trained on.

    Raises:
        DataError: If there are serious problems; names them all.
    """
    serious = [problem for problem in problems if problem.serious]
    if serious:
        listed = "; ".join(f"{p.kind}: {p.path} {p.words}" for p in serious)
        raise DataError(f"{len(serious)} problems of the pairs: {listed}")
