"""Looks over pairs: what is broken, of another size, shifted, alone, or another picture."""

from collections.abc import Iterator

import numpy as np

from train.data.alignment import align
from train.data.check import HASH_BITS, Problem, hash_distance, perceptual_hash
from train.data.image_files import read_rgb
from train.data.pairing import NamedPair, Pairing
from train.errors import DataError

MAX_SHIFT = 0.75
"""LQ pixels. Decimation without a filter, which many programs do, shifts x4 images by 0.375."""
MIN_LIKENESS = 0.5
"""Correlation of coarse images below which two do not show the same."""


def check_pairs(pairing: Pairing, scale: int) -> list[Problem]:
    """Checks every pair.

    Args:
        pairing: See `find_pairs`.
        scale: How much larger a GT must be.

    Returns:
        All problems; serious ones keep a training from starting.
    """
    problems = [
        Problem("stray", path, "has no ground truth of its name", serious=True)
        for path in pairing.strays
    ]
    problems += [
        Problem("alone", path, "has no low-quality partner: synthetic pairs only")
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
            f"{_size(lq)} px, its ground truth {pair.gt.name} {_size(gt)} px: expected it "
            f"{scale} times larger, {_size(lq, scale)} px"
        )
        yield Problem("size", pair.lq, words, serious=True)
        return
    found = align(lq, gt)
    if found.likeness < MIN_LIKENESS:
        words = f"does not show what {pair.gt.name} shows (correlation {found.likeness:.2f})"
        yield Problem("different", pair.lq, words, serious=True)
    elif found.distance > MAX_SHIFT:
        words = (
            f"lies {found.down:+.1f} px down and {found.right:+.1f} px right of {pair.gt.name} "
            f"(LQ pixels; at most {MAX_SHIFT}): crop both to the same part"
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
    """Refuses pairs that cannot be trained on.

    Raises:
        DataError: Naming all of them.
    """
    serious = [problem for problem in problems if problem.serious]
    if serious:
        listed = "; ".join(f"{p.kind}: {p.path} {p.words}" for p in serious)
        raise DataError(f"{len(serious)} problems of the pairs: {listed}")
