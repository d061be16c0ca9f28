"""`kdsr upscale`."""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from tqdm import tqdm

from ..errors import ConfigError
from ..files.images import DecodedImage, check_format, read_image, write_image
from ..idr import IDR
from ..meaning.strength import check_strength
from ..memory import check_room, explaining_shortage
from ..options import LARGEST_MAP, UpscaleOptions
from ..upscaling.resized import resizing_bytes
from .failures import report
from .inputs import find_inputs, tile_of
from .outputs import IDR_SUFFIXES, check_new, check_output, check_targets, output_path
from .overlap import overlapped
from .passes import Models, Step, run_steps
from .streams import note, say


def upscale(arguments: argparse.Namespace) -> int:
    """Upscales every input; one that fails does not stop the others."""
    tile = tile_of(arguments)
    UpscaleOptions(tile=tile, overlap=arguments.overlap)  # wrong values fail before any work
    if not 1 <= arguments.quality <= 100:
        raise ConfigError(f"--quality must be 1 to 100, got {arguments.quality}")
    check_strength(arguments.strength)
    if arguments.map is not None and not 1 <= arguments.map <= LARGEST_MAP:
        raise ConfigError(f"--map must be 1 to {LARGEST_MAP} cells, got {arguments.map}")
    inputs = find_inputs(arguments.input)
    single = len(inputs) == 1
    if arguments.save_idr and not single:
        raise ConfigError("--save-idr is for one input; use `kdsr estimate` for several")
    if arguments.save_idr and arguments.map:
        raise ConfigError("--save-idr keeps one IDR, --map makes many; leave one of them out")
    targets = {
        source: output_path(
            source, arguments.output, arguments.suffix, arguments.format, single=single
        )
        for source in inputs
    }
    read = (arguments.idr, arguments.model)
    check_targets(targets, read)
    if arguments.save_idr:
        read = (*inputs, *read)
        check_output(arguments.save_idr, IDR_SUFFIXES, "IDRs", read, overwrite=arguments.overwrite)
    idr = IDR.load(arguments.idr) if arguments.idr else None
    models = Models(arguments, idr)
    codes = []

    def work(source: Path, picture: DecodedImage) -> _Result:
        return _upscaled(models, idr, source, picture, targets[source], arguments)

    def write(source: Path, result: _Result) -> str:
        return _written(source, result, targets[source], arguments)

    with tqdm(total=len(inputs), unit="image", disable=None if not single else True) as files:
        for _, outcome in overlapped(inputs, read_image, work, write):
            if isinstance(outcome, str):
                say(outcome)
            else:
                codes.append(report(outcome))
            files.update()
    if not single:
        note(f"{len(inputs) - len(codes)} of {len(inputs)} images upscaled")
    return max(codes, default=0)


class _Result(NamedTuple):
    """An upscaled picture on its way to a file."""

    picture: DecodedImage
    """What it was made from."""
    pixels: torch.Tensor
    """(3 or 4, H, W)."""
    idr: IDR | None


def _upscaled(
    models: Models,
    idr: IDR | None,
    source: Path,
    picture: DecodedImage,
    target: Path,
    arguments: argparse.Namespace,
) -> _Result:
    check_new(target, overwrite=arguments.overwrite)
    height, width = picture.rgb.shape[-2:]
    steps = models.steps((height, width), arguments.size)
    check_format(target, transparent=picture.alpha is not None, size=steps[-1].size)
    buffer = _buffer(picture, steps[-1])
    kept = run_steps(steps, source, picture, idr, buffer, arguments)
    return _Result(picture, buffer[0], kept)


def _written(source: Path, result: _Result, target: Path, arguments: argparse.Namespace) -> str:
    """Writes a result; returns a line about it."""
    write_image(
        target,
        result.pixels,
        result.picture,
        quality=arguments.quality,
        compress=arguments.compress,
        overwrite=arguments.overwrite,
    )
    if arguments.save_idr and result.idr is not None:
        result.idr.save(arguments.save_idr, overwrite=arguments.overwrite)
    height, width = result.pixels.shape[1:]
    return f"{source} -> {target} ({width} x {height} px)"


def _buffer(picture: DecodedImage, last: Step) -> torch.Tensor:
    """A result buffer, a quarter of float32 where the result will have 8 bits anyway.

    Its memory is laid out as image files want it, (H, W, C), so that nothing is copied. What the
    work takes besides is asked for, too, before there is any work.
    """
    height, width = last.size
    shape = (1, height, width, 3 if picture.alpha is None else 4)
    dtype = torch.float32 if picture.deep else torch.uint8
    needed = math.prod(shape) * dtype.itemsize
    if last.size != last.full or picture.alpha is not None:
        needed += resizing_bytes(last.full, last.size)
    check_room(needed, f"a result of {width} x {height} px")
    with explaining_shortage("for the result", "close other programs, or choose a smaller --size"):
        buffer = torch.empty(shape, dtype=dtype)
    return rearrange(buffer, "b h w c -> b c h w")
