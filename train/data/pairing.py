"""Assigns LQ images to ground truths, by equal file names or by a list of pairs."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from train.data.image_files import SUFFIXES, find_images, some
from train.errors import DataError


@dataclass(frozen=True, order=True)
class NamedPair:
    """An LQ image and its ground truth.

    Attributes:
        name: Path of the GT relative to its folder or list.
        gt: Path of the ground truth.
        lq: Path of the LQ image.
        teacher: Path of a larger model's result for the LQ image, or None.
    """

    name: str
    gt: Path
    lq: Path
    teacher: Path | None = None


@dataclass(frozen=True)
class Pairing:
    """All pairs of two sources, and the images without a partner.

    Attributes:
        pairs: Pairs, sorted by name.
        alone: Ground truths without an LQ image.
        strays: LQ images without a ground truth.
    """

    pairs: tuple[NamedPair, ...]
    alone: tuple[Path, ...] = ()
    strays: tuple[Path, ...] = ()


def find_pairs(gt: Path | None, lq: Path, teacher: Path | None = None) -> Pairing:
    """Finds the pairs of two sources.

    Args:
        gt: Ground truths: a folder or a list of paths; see `find_images`. None if `lq` is a list.
        lq: A folder with the same file names (suffixes may differ), or a text file with a pair on
            each line: GT, tab, LQ, and optionally a tab and a larger model's result. Paths are
            relative to the text file.
        teacher: A folder of a larger model's results with the same names, or None.

    Raises:
        DataError: If there is no pair, a name is ambiguous, or a listed file or a result is
            missing.
    """
    if lq.is_file() and lq.suffix.lower() not in SUFFIXES:
        if teacher is not None:
            raise DataError(
                f"{lq} is a list of pairs: name the pictures of {teacher} in its third column: GT, "
                "tab, LQ, tab, picture"
            )
        return Pairing(_listed(lq))
    if gt is None:
        raise DataError(
            f"expected the ground truths of the images in {lq}: name their folder with --data, or "
            "give --lq a list with GT, tab, LQ on each line"
        )
    originals, partners = _by_name(gt), _by_name(lq)
    pairs = tuple(
        NamedPair(os.path.relpath(path, _root(gt)), path, partners[name])
        for name, path in originals.items()
        if name in partners
    )
    if not pairs:
        raise DataError(
            f"no image in {lq} has the name of one in {gt} (ignoring suffixes): expected names "
            f"such as {next(iter(originals))}, found {next(iter(partners))}"
        )
    found = Pairing(
        tuple(sorted(pairs)),
        tuple(path for name, path in originals.items() if name not in partners),
        tuple(path for name, path in partners.items() if name not in originals),
    )
    return _taught(found, teacher)


def _taught(found: Pairing, teacher: Path | None) -> Pairing:
    """Adds a larger model's results, by file name."""
    if teacher is None:
        return found
    pictures = _by_name(teacher)
    names = {pair: str(Path(pair.name).with_suffix("")) for pair in found.pairs}
    if missing := [name for name in names.values() if name not in pictures]:
        raise DataError(
            f"expected a picture for every pair in {teacher} (--teacher_images), missing are "
            f"{some(missing)}; copy the ground truth there for pairs without one"
        )
    pairs = tuple(replace(pair, teacher=pictures[name]) for pair, name in names.items())
    return replace(found, pairs=pairs)


def _by_name(source: Path) -> dict[str, Path]:
    """Images by their path relative to the source, without suffix."""
    found: dict[str, Path] = {}
    doubles = []
    for path in find_images(source):
        name = os.path.relpath(path.with_suffix(""), _root(source))
        if name in found:
            doubles.append(f"{found[name].name} and {path.name}")
        found[name] = path
    if doubles:
        raise DataError(
            f"expected one image per name in {source}, found {some(doubles)}; remove one of them, "
            "or give a list of pairs"
        )
    return found


def _root(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _listed(listing: Path) -> tuple[NamedPair, ...]:
    pairs, wrong, missing, columns = [], [], [], 0
    for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        names = [name.strip() for name in line.split("\t")]
        if len(names) not in (2, 3) or (pairs and len(names) != columns):
            wrong.append(str(number))
            continue
        columns, files = len(names), [listing.parent / name for name in names]
        missing += [str(path) for path in files if not path.is_file()]
        pairs.append(NamedPair(names[0], *files))
    problems = []
    if wrong:
        problems.append(
            "expected GT, tab, LQ on each line (and, optionally on all lines, a tab and a larger "
            f"model's picture), not found on line {some(wrong)}"
        )
    if missing:
        problems.append(f"missing files: {some(missing)}")
    if not pairs and not wrong:
        problems.append("it lists no pair")
    if problems:
        raise DataError(f"{listing}: {'; '.join(problems)}")
    return tuple(sorted(pairs))
