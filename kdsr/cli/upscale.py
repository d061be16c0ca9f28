"""`kdsr upscale`."""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from tqdm import tqdm

from ..errors import ConfigError
from ..files import image_formats
from ..files.images import DecodedImage, check_format, read_image, write_image
from ..idr import IDR
from ..meaning.strength import check_strength
from ..memory import check_room, explaining_shortage
from ..options import LARGEST_MAP, Size
from ..upscaling.resizing import resizing_bytes
from ..upscaling.upscaler import Upscaler
from ..video import containers
from ..video.containers import is_video
from .failures import explained, report
from .inputs import find_inputs, tiling_of
from .one_idr import OneIDR
from .outputs import (
    IDR_SUFFIXES,
    IMAGES,
    VIDEOS,
    check_new,
    check_output,
    check_targets,
    left_to_do,
    output_path,
    without_results,
)
from .overlap import overlapped
from .passes import Models, Step, run_steps
from .streams import note, say
from .video_options import check_for_videos

READ_SUFFIXES = tuple(dict.fromkeys(image_formats.READ_SUFFIXES + containers.READ_SUFFIXES))
"""Of the files that are taken from folders."""

Errand = tuple[Path, Path]
"""A file, and where its result goes."""


def upscale(arguments: argparse.Namespace) -> int:
    """Upscales every input, the images first; one that fails does not stop the others."""
    inputs = find_inputs(arguments.input, READ_SUFFIXES)
    targets = checked(arguments, inputs)
    several = len(inputs) > 1
    left = left_to_do(targets, overwrite=arguments.overwrite) if several else targets
    if not left:
        return 0
    videos = {source: target for source, target in left.items() if is_video(source)}
    images = {source: target for source, target in left.items() if source not in videos}
    idr = IDR.load(arguments.idr) if arguments.idr else None
    models = Models(arguments, idr)
    desk = Desk(arguments, models)
    if arguments.one_idr:
        idr = _one_idr(desk, list(targets))
    codes = _upscale_images(desk, images, idr)
    if videos:
        from .video import upscale_videos

        codes += upscale_videos(models, idr, videos, arguments)
    if several:
        kinds = [what for what, some in (("images", images), ("videos", videos)) if some]
        note(f"{len(left) - len(codes)} of {len(left)} {' and '.join(kinds)} upscaled")
    return max(codes, default=0)


def _upscale_images(desk: "Desk", targets: dict[Path, Path], idr: IDR | None) -> list[int]:
    """Upscales images; returns the exit code of each that failed."""
    codes = []
    with tqdm(total=len(targets), unit="image", disable=len(targets) < 2 or None) as files:
        for _, outcome in desk.upscaled(list(targets.items()), idr):
            if isinstance(outcome, str):
                say(outcome)
            else:
                codes.append(report(outcome))
            files.update()
    return codes


def checked(arguments: argparse.Namespace, inputs: Sequence[Path]) -> dict[Path, Path]:
    """Where the result of each input goes; wrong options fail here, before any work."""
    tiling_of(arguments)
    if not 1 <= arguments.quality <= 100:
        raise ConfigError(f"--quality must be 1 to 100, got {arguments.quality}")
    check_strength(arguments.strength)
    if arguments.map is not None and not 1 <= arguments.map <= LARGEST_MAP:
        raise ConfigError(f"--map must be 1 to {LARGEST_MAP} cells, got {arguments.map}")
    single = len(inputs) == 1
    if arguments.save_idr and not (single or arguments.one_idr):
        raise ConfigError(
            "--save-idr is for one input, or for --one-idr; use `kdsr estimate` for several"
        )
    if arguments.save_idr and arguments.map:
        raise ConfigError("--save-idr keeps one IDR, --map makes many; leave one of them out")
    if any(map(is_video, inputs)):
        check_for_videos(arguments)
    targets = {
        source: output_path(
            source,
            arguments.output,
            arguments.suffix,
            arguments.format,
            single=single,
            kind=VIDEOS if is_video(source) else IMAGES,
        )
        for source in inputs
    }
    targets = without_results(targets)
    read = (arguments.idr, arguments.model)
    check_targets(targets, read)
    if arguments.save_idr:
        read = (*inputs, *read)
        goes_on = arguments.cluster and arguments.one_idr  # with the IDR of a run that was stopped
        replace = arguments.overwrite or goes_on
        check_output(arguments.save_idr, IDR_SUFFIXES, "IDRs", read, overwrite=replace)
    return targets


def _one_idr(desk: "Desk", inputs: Sequence[Path]) -> IDR:
    gathered = OneIDR(len(inputs))
    with tqdm(total=len(inputs), desc="estimating", unit="image", disable=None) as files:
        for _, outcome in desk.estimated(inputs):
            gathered.take(outcome if isinstance(outcome, IDR) else explained(outcome))
            files.update()
    return gathered.result(desk.arguments)


@dataclass(frozen=True)
class Desk:
    """Models and what was asked of them: does the same with a file here and on any machine."""

    arguments: argparse.Namespace
    models: Models

    def estimated(self, sources: Sequence[Path]) -> Iterator[tuple[Path, IDR | Exception]]:
        """The IDR of each file by the model for all of them, or why it has none."""
        upscaler = Upscaler(self.models.only, tiling_of(self.arguments))

        def work(source: Path, picture: DecodedImage) -> IDR:
            told = {"image": source.name}
            return upscaler.estimate(picture.rgb, picture.weights, provenance=told)

        return overlapped(sources, read_image, work, lambda _, idr: idr)

    def upscaled(
        self, errands: Sequence[Errand], idr: IDR | None = None
    ) -> Iterator[tuple[Errand, str | Exception]]:
        """Upscales files; yields a line about each, or why there is no result.

        Args:
            errands: The files and where their results go.
            idr: For all of them, in place of each one's own.
        """
        return overlapped(
            errands,
            lambda errand: read_image(errand[0]),
            lambda errand, picture: _upscaled(self, idr, errand, picture),
            lambda errand, result: _written(self.arguments, errand, result),
        )


class _Result(NamedTuple):
    """An upscaled picture on its way to a file."""

    picture: DecodedImage
    """What it was made from."""
    pixels: torch.Tensor
    """(3 or 4, H, W)."""
    idr: IDR | None


def _upscaled(desk: Desk, idr: IDR | None, errand: Errand, picture: DecodedImage) -> _Result:
    source, target = errand
    check_new(target, overwrite=desk.arguments.overwrite)
    steps = desk.models.steps(Size.of(picture.rgb), desk.arguments.size)
    check_format(
        target,
        transparent=picture.transparent,
        size=steps[-1].size.shape,
        colours=() if picture.icc else picture.colours,
    )
    buffer = _buffer(picture, steps)
    kept = run_steps(steps, source, picture, idr, buffer, desk.arguments)
    return _Result(picture, buffer[0], kept)


def _written(arguments: argparse.Namespace, errand: Errand, result: _Result) -> str:
    """Writes a result; returns a line about it."""
    source, target = errand
    write_image(
        target,
        result.pixels,
        result.picture,
        quality=arguments.quality,
        compress=arguments.compress,
        overwrite=arguments.overwrite,
        strip=arguments.strip,
    )
    if arguments.save_idr and result.idr is not None and not arguments.one_idr:
        result.idr.save(arguments.save_idr, overwrite=arguments.overwrite)
    return f"{source} -> {target} ({Size.of(result.pixels)})"


def _buffer(picture: DecodedImage, steps: list[Step]) -> torch.Tensor:
    """A result buffer, a quarter of float32 where the result will have 8 bits anyway.

    Its memory is laid out as image files want it, (H, W, C), so that nothing is copied. What the
    work takes besides is asked for, too, before there is any work.
    """
    shape = (1, *steps[-1].size.shape, 3 if picture.alpha is None else 4)
    dtype = torch.float32 if picture.deep else torch.uint8
    needed = math.prod(shape) * dtype.itemsize
    for step in steps:
        if step is not steps[-1]:  # what the next pass looks at
            needed += shape[-1] * step.size.pixels * torch.float32.itemsize
        if step.size != step.full or picture.alpha is not None:
            needed += resizing_bytes(step.full, step.size)
    check_room(needed, f"a result of {steps[-1].size}")
    with explaining_shortage("for the result", "close other programs, or choose a smaller --size"):
        buffer = torch.empty(shape, dtype=dtype)
    return rearrange(buffer, "b h w c -> b c h w")
