"""Finds the inputs and plans the paths of results, checked before any computation."""

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .. import formats
from ..errors import ConfigError, ImageError
from .streams import note

_IMAGES = formats.IMAGE_READ_SUFFIXES
READ_SUFFIXES = tuple(dict.fromkeys(_IMAGES + formats.VIDEO_READ_SUFFIXES))
"""Suffixes of files that `kdsr upscale` takes from folders."""
IDR_SUFFIXES = (".safetensors",)


class Kind(NamedTuple):
    """A kind of files: content, and suffixes that can be written."""

    holds: str
    suffixes: tuple[str, ...]
    usual: str
    """Suffix of results whose input format cannot be written, such as BMP."""


IMAGES = Kind("images", formats.IMAGE_WRITE_SUFFIXES, ".png")
VIDEOS = Kind("videos", formats.VIDEO_WRITE_SUFFIXES, ".mp4")


def find_inputs(patterns: list[str], suffixes: tuple[str, ...] = _IMAGES) -> list[Path]:
    """Finds the files that the arguments name, in order and once each.

    Missing files stay in the list: reading reports them, and the others still run.

    Args:
        patterns: Files, folders and globs.
        suffixes: Suffixes of files to take from folders.

    Raises:
        ImageError: If a folder or glob holds no image.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
            if not inside:
                what = "images" if suffixes == _IMAGES else "images or videos"
                kinds = ", ".join(suffixes)
                raise ImageError(f"{path}: the folder holds no {what} ({kinds})")
            found |= dict.fromkeys(inside)
            _say_passed_over(path)
        elif glob.has_magic(pattern) and not path.exists():
            matches = sorted(Path(p) for p in glob.glob(_literal(path), recursive=True))  # noqa: PTH207
            if not matches:
                raise ImageError(f"{pattern}: no file matches")
            found |= dict.fromkeys(p for p in matches if p.is_file())
        else:
            found[path] = None
    return list(found)


def _literal(path: Path) -> str:
    """Escapes the existing folders of a pattern, such as `photos [2019]` in `photos [2019]/*`."""
    there = next((folder for folder in path.parents if folder.is_dir()), None)
    if there is None or not glob.has_magic(str(there)):
        return str(path)
    return str(Path(glob.escape(str(there))) / path.relative_to(there))


def _say_passed_over(folder: Path) -> None:
    """Notes which pictures of a folder have formats that cannot be read."""
    others = [p.suffix.lower() for p in folder.iterdir() if p.suffix.lower() in formats.NOT_READ]
    if others:
        kinds = ", ".join(sorted(set(others)))
        note(f"{folder}: {len(others)} files of kinds that are not read are passed over ({kinds})")


def output_path(
    source: Path,
    output: Path | None,
    suffix: str,
    form: str | None,
    *,
    single: bool,
    kind: Kind = IMAGES,
) -> Path:
    """The path of the result for `source`.

    Args:
        source: Input file.
        output: File (for a single input) or folder; None for the folder of the input.
        suffix: Suffix of the result's name, unless `output` is a file.
        form: File suffix without its dot, used if it fits the kind; None for the input's.
        single: Whether there is only one input.
        kind: Kind of the input.

    Raises:
        ConfigError: If several inputs share one output file, or its suffix cannot be written.
    """
    if output is not None and output.suffix and not output.is_dir():
        more = "; a folder of that name must exist first"
        _check_suffix(output, kind.suffixes, kind.holds, more)
        if not single:
            raise ConfigError(f"{output} is a file, but there are several inputs: name a folder")
        return output
    if form is not None and f".{form}" in kind.suffixes and not _loses_sound(source, form, kind):
        ending = f".{form}"
    else:
        ending = source.suffix if source.suffix.lower() in kind.suffixes else kind.usual
    return (output or source.parent) / f"{source.stem}{suffix}{ending}"


def _loses_sound(source: Path, form: str, kind: Kind) -> bool:
    """Whether `--format` would turn a film into a silent animation; only `-o` may do that.

    In a folder with both, `--format webp` is meant for the pictures.
    """
    suffixes = formats.ANIMATION_SUFFIXES
    return kind is VIDEOS and f".{form}" in suffixes and source.suffix.lower() not in suffixes


def check_targets(targets: dict[Path, Path], inputs: Iterable[str | Path | None]) -> None:
    """Raises an error if results would replace each other, or a file that the command reads.

    Args:
        targets: Paths of the results, by input.
        inputs: Further files that the command reads, such as a model or an IDR; None is ignored.

    Raises:
        ConfigError: If there are such files; names them all.
    """
    first: dict[str, Path] = {}
    clashes = [
        f"{first[key]} and {source} would both become {target}"
        for source, target in targets.items()
        if first.setdefault(key := _key(target), source) is not source
    ]
    if clashes:
        raise ConfigError("; ".join(clashes) + "; give them different names or run them apart")
    _check_not_read(targets.values(), [*targets, *inputs])


def check_output(
    path: Path,
    suffixes: tuple[str, ...],
    holds: str,
    inputs: Iterable[str | Path | None],
    *,
    overwrite: bool,
) -> None:
    """Raises an error if the single result of a command cannot be written to a path.

    Args:
        path: Path of the result.
        suffixes: Allowed suffixes.
        holds: Content of the file, in the plural.
        inputs: All files that the command reads; None is ignored.
        overwrite: Whether to replace an existing file.

    Raises:
        ConfigError: If the suffix is wrong, or the path is an input, a folder or an existing file.
    """
    _check_suffix(path, suffixes, holds)
    _check_not_read([path], inputs)
    check_new(path, overwrite=overwrite)


def check_new(path: Path, *, overwrite: bool) -> None:
    """Raises an error if a path is a folder, a device, or a file that must not be replaced.

    Raises:
        ConfigError: If so.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is a device, pipe or socket, never replaced; name a file")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; add --overwrite to replace it")


def without_results(targets: Mapping[Path, Path]) -> dict[Path, Path]:
    """Drops inputs that are results of other inputs, as in a folder that is upscaled again.

    Args:
        targets: Paths of the results, by input.
    """
    makers = {_key(target): source for source, target in targets.items()}
    return {s: t for s, t in targets.items() if makers.get(_key(s), s) is s}


def left_to_do(targets: Mapping[Path, Path], *, overwrite: bool) -> dict[Path, Path]:
    """Keeps the inputs without a result; notes how many results exist.

    Args:
        targets: Paths of the results, by input.
        overwrite: Whether to keep all inputs.
    """
    left = dict(targets) if overwrite else unfinished(targets)
    if len(left) < len(targets):
        there = len(targets) - len(left)
        note(f"{there} of {len(targets)} results exist; --overwrite makes them anew")
    return left


def unfinished(targets: Mapping[Path, Path]) -> dict[Path, Path]:
    """Keeps the inputs without a result; an existing result is complete.

    It lists each folder once, as a query for every file is slow on shared storage.

    Args:
        targets: Paths of the results, by input.
    """
    there = {folder: _names(folder) for folder in {target.parent for target in targets.values()}}
    return {
        source: target
        for source, target in targets.items()
        if target.name not in there[target.parent]
    }


def _names(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries}


def _check_suffix(path: Path, suffixes: tuple[str, ...], holds: str, more: str = "") -> None:
    if path.suffix.lower() not in suffixes:
        known = " or ".join(suffixes)
        raise ConfigError(f"{path}: cannot write {holds} into this; end it in {known}{more}")


def _check_not_read(outputs: Iterable[Path], inputs: Iterable[str | Path | None]) -> None:
    read = {_key(source) for source in inputs if source is not None}
    for path in outputs:
        if _key(path) in read:
            raise ConfigError(f"{path} would replace what it is made from; give it another name")


def _key(path: str | Path) -> str:
    """A key that is equal for all names of one file; hard links differ, as they survive."""
    return os.path.normcase(os.path.realpath(path))
