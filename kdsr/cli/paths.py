"""What is read and where results go: one plan, checked before anything is computed."""

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, ImageError
from ..files import image_formats
from ..video import containers
from .streams import note

_IMAGES = image_formats.READ_SUFFIXES
READ_SUFFIXES = tuple(dict.fromkeys(_IMAGES + containers.READ_SUFFIXES))
"""The endings of files that are taken from folders to be upscaled."""
IDR_SUFFIXES = (".safetensors",)


class Kind(NamedTuple):
    """What files hold, and which of them are written."""

    holds: str
    suffixes: tuple[str, ...]
    usual: str
    """For inputs of a kind that is not written, BMP for instance."""


IMAGES = Kind("images", image_formats.WRITE_SUFFIXES, ".png")
VIDEOS = Kind("videos", containers.WRITE_SUFFIXES, ".mp4")


def find_inputs(patterns: list[str], suffixes: tuple[str, ...] = _IMAGES) -> list[Path]:
    """Files that the arguments name, in order and once each.

    Args:
        patterns: Files, folders and globs.
        suffixes: Of the files that are taken from folders.

    Raises:
        ImageError: If a folder or glob holds no image. A file that is missing is left for the
            reading to report, so that the others still run.
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
    """A pattern of which a folder that exists is no pattern: `photos [2019]/*.jpg`."""
    there = next((folder for folder in path.parents if folder.is_dir()), None)
    if there is None or not glob.has_magic(str(there)):
        return str(path)
    return str(Path(glob.escape(str(there))) / path.relative_to(there))


def _say_passed_over(folder: Path) -> None:
    """Says which pictures of a folder are of kinds that are not read."""
    others = [
        p.suffix.lower() for p in folder.iterdir() if p.suffix.lower() in image_formats.NOT_READ
    ]
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
    """Where the result of `source` goes.

    Args:
        source: The input file.
        output: A file (only for a single input) or a folder, or None for beside the input.
        suffix: Added to the name, unless `output` is a file.
        form: A suffix without its dot, for inputs of its kind; or None for the input's.
        single: Whether there is only one input.
        kind: Of the input.

    Raises:
        ConfigError: If several inputs would go into one file, or `output` ends like a file of a
            kind that is not written.
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
    """Whether a format for pictures would make a silent animation of a film; named by `-o` it may.

    A folder holds both, and `--format webp` is meant for what is a picture there.
    """
    suffixes = containers.ANIMATION_SUFFIXES
    return kind is VIDEOS and f".{form}" in suffixes and source.suffix.lower() not in suffixes


def check_targets(targets: dict[Path, Path], inputs: Iterable[str | Path | None]) -> None:
    """Refuses results that would replace each other, or what the call reads.

    Args:
        targets: Input -> result.
        inputs: What the call reads besides, a model or an IDR; None is nothing.

    Raises:
        ConfigError: Naming every such pair.
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
    """Refuses a name for the one result of a command.

    Args:
        path: Where the result is to go.
        suffixes: What it may end in.
        holds: What it holds, in the plural.
        inputs: Everything the call reads; None is nothing.
        overwrite: Whether a file that exists is replaced.

    Raises:
        ConfigError: If the suffix is another's, or the file is read by the same call, is a folder,
            or exists.
    """
    _check_suffix(path, suffixes, holds)
    _check_not_read([path], inputs)
    check_new(path, overwrite=overwrite)


def check_new(path: Path, *, overwrite: bool) -> None:
    """Refuses to replace a folder, and a file unless asked to.

    Raises:
        ConfigError: If there is one.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is a device, pipe or socket, never replaced; name a file")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; add --overwrite to replace it")


def without_results(targets: Mapping[Path, Path]) -> dict[Path, Path]:
    """Those that are not themselves results of others: a folder that is upscaled a second time.

    Args:
        targets: Input -> result.
    """
    makers = {_key(target): source for source, target in targets.items()}
    return {s: t for s, t in targets.items() if makers.get(_key(s), s) is s}


def left_to_do(targets: Mapping[Path, Path], *, overwrite: bool) -> dict[Path, Path]:
    """Those of several whose result is not there yet; says how many are.

    Args:
        targets: Input -> result.
        overwrite: All of them, then.
    """
    left = dict(targets) if overwrite else unfinished(targets)
    if len(left) < len(targets):
        there = len(targets) - len(left)
        note(f"{there} of {len(targets)} results are there; --overwrite makes them anew")
    return left


def unfinished(targets: Mapping[Path, Path]) -> dict[Path, Path]:
    """Those whose result does not exist yet; a result is whole or not there.

    Each folder of results is listed once: asking for every file takes long on shared storage.

    Args:
        targets: Input -> result.
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
    """Equal for all names of one file, hard links apart: those survive a replacement."""
    return os.path.normcase(os.path.realpath(path))
