"""Runs `kdsr upscale`, with one IDR per image or one for all."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..errors import ConfigError, ImageError
from ..files.blocks import is_video
from ..idr import IDR
from .commands import Upscale
from .image_session import ImageSession
from .model_set import ModelSet
from .paths import (
    IDR_SUFFIXES,
    IMAGES,
    READ_SUFFIXES,
    VIDEOS,
    check_output,
    check_targets,
    find_inputs,
    left_to_do,
    output_path,
    without_results,
)
from .streams import note, report, say

if TYPE_CHECKING:
    from .cluster import ClusterSession

_APART = 1000  # largest number of separate IDRs, which take 7 kB each; joined ones take 1.3 kB


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
        yield ImageSession(command, ModelSet(command, idr))
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
