"""`kdsr upscale`."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ..errors import ConfigError
from ..idr import IDR
from ..video.containers import is_video
from .commands import Upscale
from .failures import explained, report
from .one_idr import OneIDR
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
from .session import ImageSession, ModelSet
from .streams import note, say


def upscale(command: Upscale) -> int:
    """Upscales every input, the images first; one that fails does not stop the others."""
    inputs = find_inputs(command.input, READ_SUFFIXES)
    targets = checked(command, inputs)
    several = len(inputs) > 1
    left = left_to_do(targets, overwrite=command.overwrite) if several else targets
    if not left:
        return 0
    videos = {source: target for source, target in left.items() if is_video(source)}
    images = {source: target for source, target in left.items() if source not in videos}
    idr = IDR.load(command.idr) if command.idr else None
    session = ImageSession(command, ModelSet(command, idr), idr)
    codes = []
    one = _one_idr(session, list(targets)) if command.one_idr else None
    with tqdm(total=len(images), unit="image", disable=len(images) < 2 or None) as files:
        for _, outcome in session.upscaled(list(images.items()), one):
            if isinstance(outcome, str):
                say(outcome)
            else:
                codes.append(report(outcome))
            files.update()
    if videos:
        from .video import upscale_videos

        codes += upscale_videos(session.models, idr, videos, command)
    if several:
        kinds = [what for what, some in (("images", images), ("videos", videos)) if some]
        note(f"{len(left) - len(codes)} of {len(left)} {' and '.join(kinds)} upscaled")
    return max(codes, default=0)


def checked(command: Upscale, inputs: Sequence[Path]) -> dict[Path, Path]:
    """Where the result of each input goes; what does not fit the inputs fails here, before work."""
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
        goes_on = command.cluster and command.one_idr  # with the IDR of a run that was stopped
        replace = command.overwrite or bool(goes_on)
        check_output(command.save_idr, IDR_SUFFIXES, "IDRs", read, overwrite=replace)
    return targets


def _one_idr(session: ImageSession, inputs: Sequence[Path]) -> IDR:
    gathered = OneIDR(len(inputs))
    with tqdm(total=len(inputs), desc="estimating", unit="image", disable=None) as files:
        for _, outcome in session.estimated(inputs):
            gathered.take(outcome if isinstance(outcome, IDR) else explained(outcome))
            files.update()
    return gathered.result(session.command)
