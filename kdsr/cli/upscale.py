"""Runs `kdsr upscale`: finds its inputs, plans the paths of the results, and starts the work."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

from .. import formats
from ..errors import ConfigError, ImageError
from ..files.blocks import is_video
from ..files.catalog import ModelSet
from ..idr import IDR
from .commands import (
    IDR_SUFFIXES,
    Upscale,
    check_not_read,
    check_output,
    check_suffix,
    real_path,
)
from .image_session import ImageSession
from .streams import note, report, say

if TYPE_CHECKING:
    from .cluster import ClusterSession

_APART = 1000  # largest number of separate IDRs, which take 7 kB each; joined ones take 1.3 kB
_IMAGES = formats.IMAGE_READ_SUFFIXES
READ_SUFFIXES = tuple(dict.fromkeys(_IMAGES + formats.VIDEO_READ_SUFFIXES))
"""Suffixes of files that `kdsr upscale` takes from folders."""


class Kind(NamedTuple):
    """A kind of files: content, and suffixes that can be written."""

    holds: str
    suffixes: tuple[str, ...]
    usual: str
    """Suffix of results whose input format cannot be written, such as BMP."""


IMAGES = Kind("images", formats.IMAGE_WRITE_SUFFIXES, ".png")
VIDEOS = Kind("videos", formats.VIDEO_WRITE_SUFFIXES, ".mp4")


def upscale(command: Upscale) -> int:
    """Upscales all inputs, images first; an input that fails does not stop the others."""
    inputs = find_inputs(command.input, READ_SUFFIXES)
    if command.cluster:
        from .cluster import with_full_names

        command, inputs = with_full_names(command, inputs)
    targets = checked(command, inputs)
    several = len(inputs) > 1 or command.cluster is not None
    left = left_to_do(targets, overwrite=command.overwrite) if several else targets
    if not left:
        return 0
    videos = {source: target for source, target in left.items() if is_video(source)}
    images = {source: target for source, target in left.items() if source not in videos}
    idr = _known_idr(command)
    seen = targets if command.one_idr else left
    with _session(command, idr, seen) as session:
        if command.one_idr and idr is None:
            idr = _one_idr(session, list(targets))
        codes = []
        with tqdm(total=len(images), unit="image", disable=len(images) < 2 or None) as files:
            for (source, _), outcome in session.upscaled(list(images.items()), idr):
                if isinstance(outcome, str):
                    say(outcome)
                else:
                    codes.append(report(outcome, str(source) if several else ""))
                files.update()
        if videos:
            from .films import upscale_videos

            codes += upscale_videos(session, idr, videos)
    if several:
        kinds = [what for what, some in (("images", images), ("videos", videos)) if some]
        note(f"{len(left) - len(codes)} of {len(left)} {' and '.join(kinds)} upscaled")
    return max(codes, default=0)


@contextmanager
def _session(
    command: Upscale, idr: IDR | None, targets: Mapping[Path, Path]
) -> "Iterator[ImageSession | ClusterSession]":
    """Opens the session that does the work, on this machine or on a cluster."""
    if command.cluster is None:
        models = ModelSet(
            command.model, command.device, idr, crispness=command.crispness, by_size=command.by_size
        )
        yield ImageSession(command, models)
        return
    from .cluster import cluster_session

    with cluster_session(command, idr, targets) as session:
        yield session


def _known_idr(command: Upscale) -> IDR | None:
    """Loads the common IDR of all images, if a file already holds it."""
    if command.idr:
        return IDR.load(command.idr)
    if command.one_idr and command.save_idr and not command.overwrite:
        # A stopped run on a cluster wrote it; other runs must not replace it, see `checked`.
        return IDR.load(command.save_idr) if command.save_idr.is_file() else None
    return None


def checked(command: Upscale, inputs: Sequence[Path]) -> dict[Path, Path]:
    """Maps each input to its result; raises errors about arguments before any work."""
    single = len(inputs) == 1
    if command.save_idr and not (single or command.one_idr):
        raise ConfigError(
            "--save-idr is for one input, or for --one-idr; use `kdsr estimate` for several"
        )
    if any(map(is_video, inputs)):
        command.check_for_videos()
    targets = {
        source: output_path(
            source,
            command.output,
            command.suffix,
            command.format,
            single=single,
            kind=VIDEOS if is_video(source) else IMAGES,
        )
        for source in inputs
    }
    targets = without_results(targets)
    read = (command.idr, command.model)
    check_targets(targets, read)
    if command.save_idr:
        read = (*inputs, *read)
        goes_on = command.cluster and command.one_idr  # resumes with the IDR of a stopped run
        replace = command.overwrite or bool(goes_on)
        check_output(command.save_idr, IDR_SUFFIXES, "IDRs", read, overwrite=replace)
    return targets


def _one_idr(session: "ImageSession | ClusterSession", sources: Sequence[Path]) -> IDR:
    """Averages the IDRs of all images, and saves the result if `--save-idr` is given.

    Raises:
        ImageError: If no image has an IDR. Upscaling later reports why for each image.
    """
    command, found, first = session.command, [], ""
    with tqdm(total=len(sources), desc="estimating", unit="image", disable=None) as files:
        for _, outcome in session.estimated(sources):
            if isinstance(outcome, IDR):
                found.append(outcome)
                found = found if len(found) < _APART else [IDR.cat(found)]
            else:
                first = first or outcome.line
            files.update()
    if not found:
        raise ImageError(f"no image has an IDR; of the first: {first}")
    joined = IDR.cat(found)
    idr = joined.mean()
    note(f"one IDR for all, from {len(joined)} of {len(sources)} images")
    if command.save_idr:
        idr.save(command.save_idr, overwrite=command.overwrite)
        say(f"saved {command.save_idr}")
    return idr


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
        check_suffix(output, kind.suffixes, kind.holds, more)
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
        if first.setdefault(key := real_path(target), source) is not source
    ]
    if clashes:
        raise ConfigError("; ".join(clashes) + "; give them different names or run them apart")
    check_not_read(targets.values(), [*targets, *inputs])


def without_results(targets: Mapping[Path, Path]) -> dict[Path, Path]:
    """Drops inputs that are results of other inputs, as in a folder that is upscaled again.

    Args:
        targets: Paths of the results, by input.
    """
    makers = {real_path(target): source for source, target in targets.items()}
    return {s: t for s, t in targets.items() if makers.get(real_path(s), s) is s}


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
