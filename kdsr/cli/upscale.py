"""`kdsr upscale`, with one IDR for each image or one for all."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ..errors import ConfigError, ImageError
from ..estimation.whole import Average
from ..idr import IDR
from ..video.containers import is_video
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
from .streams import Failure, explained, note, report, say


class OneIDR:
    """`--one-idr`: the average of what all images say, gathered in any order.

    Args:
        total: How many images there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._average = Average()
        self._first: Failure | None = None

    def take(self, outcome: IDR | Failure) -> None:
        """Takes the IDR of an image, or why it has none; upscaling it will say so again."""
        if isinstance(outcome, IDR):
            self._average.add(outcome)
        elif self._first is None:
            self._first = outcome

    def result(self, command: Upscale) -> IDR:
        """The IDR for all, saved if that was asked for.

        Raises:
            ImageError: If there was no image to estimate one from.
        """
        if not len(self._average):
            assert self._first is not None
            raise ImageError(f"no image has an IDR; of the first: {self._first.line}")
        idr = self._average.result()
        note(f"one IDR for all, from {len(self._average)} of {self._total} images")
        if command.save_idr:
            idr.save(command.save_idr, overwrite=command.overwrite)
            say(f"saved {command.save_idr}")
        return idr


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
        from .films import upscale_videos

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
