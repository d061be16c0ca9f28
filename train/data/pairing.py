"""Which low-quality image belongs to which ground truth: same names, or a list of pairs."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from train.data.image_files import SUFFIXES, find_images, some
from train.errors import DataError


@dataclass(frozen=True, order=True)
class NamedPair:
    """Two files that show the same.

    Attributes:
        name: Path of the GT, relative to its folder or list.
        gt: The ground truth.
        lq: The low-quality image.
        teacher: What a larger model made of it, where there is one.
    """

    name: str
    gt: Path
    lq: Path
    teacher: Path | None = None


@dataclass(frozen=True)
class Pairing:
    """What was found.

    Attributes:
        pairs: In the order of their names.
        alone: Ground truths without a partner.
        strays: Low-quality images without one.
    """

    pairs: tuple[NamedPair, ...]
    alone: tuple[Path, ...] = ()
    strays: tuple[Path, ...] = ()


def find_pairs(gt: Path | None, lq: Path, teacher: Path | None = None) -> Pairing:
    """Finds the partners of images.

    Args:
        gt: Ground truths: a folder, or a list of paths; see `find_images`. None where `lq` names
            them.
        lq: A folder with the same names in it, whatever their suffixes; or a text file with a pair
            a line: GT, tabulator, LQ, both relative to the file; and where a larger model's
            picture belongs to each, another tabulator and that.
        teacher: A folder of such pictures with the same names, where `lq` is one, too; or None.

    Raises:
        DataError: If there is no pair, a name stands for several images, a listed file is not
            there, or a picture is missing.
    """
    if lq.is_file() and lq.suffix.lower() not in SUFFIXES:
        if teacher is not None:
            raise DataError(
                f"{lq} is a list of pairs: name the pictures of {teacher} there, as a third one on "
                "each line, GT, tabulator, LQ, tabulator, picture"
            )
        return Pairing(_listed(lq))
    if gt is None:
        raise DataError(
            f"expected the ground truths of the images in {lq}: name their folder, or give a list "
            "with GT, tabulator, LQ on each line"
        )
    originals, partners = _by_name(gt), _by_name(lq)
    pairs = tuple(
        NamedPair(os.path.relpath(path, _root(gt)), path, partners[name])
        for name, path in originals.items()
        if name in partners
    )
    if not pairs:
        raise DataError(
            f"no image in {lq} has the name of one in {gt} (suffixes do not count): expected "
            f"{next(iter(originals))}, say, found {next(iter(partners))}"
        )
    found = Pairing(
        tuple(sorted(pairs)),
        tuple(path for name, path in originals.items() if name not in partners),
        tuple(path for name, path in partners.items() if name not in originals),
    )
    return _taught(found, teacher)


def _taught(found: Pairing, teacher: Path | None) -> Pairing:
    """Adds the pictures of a folder as targets."""
    if teacher is None:
        return found
    pictures = _by_name(teacher)
    names = {pair: str(Path(pair.name).with_suffix("")) for pair in found.pairs}
    if missing := [name for name in names.values() if name not in pictures]:
        raise DataError(
            f"expected a picture for every pair in {teacher} (--teacher_images), found none of "
            f"{some(missing)}; put the ground truth there where no larger model shall be followed"
        )
    pairs = tuple(replace(pair, teacher=pictures[name]) for pair, name in names.items())
    return replace(found, pairs=pairs)


def _by_name(source: Path) -> dict[str, Path]:
    """Images by their path below the source, without suffix."""
    found: dict[str, Path] = {}
    doubles = []
    for path in find_images(source):
        name = os.path.relpath(path.with_suffix(""), _root(source))
        if name in found:
            doubles.append(f"{found[name].name} and {path.name}")
        found[name] = path
    if doubles:
        raise DataError(
            f"expected one image of each name in {source}, found {some(doubles)}; remove one of "
            "them, or give a list of pairs"
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
            "expected GT, one tabulator, LQ on each line (or on each a third one, a larger model's "
            f"picture), not so on {some(wrong)}"
        )
    if missing:
        problems.append(f"files that are not there: {some(missing)}")
    if not pairs and not wrong:
        problems.append("it lists no pair")
    if problems:
        raise DataError(f"{listing}: {'; '.join(problems)}")
    return tuple(sorted(pairs))
