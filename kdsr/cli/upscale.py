"""`kdsr upscale`."""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from tqdm import tqdm

from ..errors import ConfigError, printable
from ..estimation.maps import idr_map
from ..files.images import DecodedImage, check_format, read_image, write_image
from ..files.loading import load
from ..idr import IDR
from ..meaning.strength import check_strength, with_strength
from ..memory import check_room, explaining_shortage
from ..model import KDSR
from ..options import LARGEST_MAP, WRAPS, UpscaleOptions
from ..upscaling.resized import resizing_bytes, upscale_to
from .failures import report
from .inputs import find_inputs, pick_device, tile_of
from .outputs import IDR_SUFFIXES, check_new, check_output, check_targets, output_path
from .overlap import overlapped
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
    model = load(arguments.model).to(pick_device(arguments.device))
    idr = IDR.load(arguments.idr) if arguments.idr else None
    if idr is not None:
        idr.check_model(model.fingerprint, model.config.n_feats)
    codes = []

    def work(source: Path, picture: DecodedImage) -> _Result:
        return _upscaled(model, idr, source, picture, targets[source], tile, arguments)

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
    model: KDSR,
    idr: IDR | None,
    source: Path,
    picture: DecodedImage,
    target: Path,
    tile: int | str | None,
    arguments: argparse.Namespace,
) -> _Result:
    check_new(target, overwrite=arguments.overwrite)
    height, width = picture.rgb.shape[-2:]
    full = (height * model.config.scale, width * model.config.scale)
    size = arguments.size.resolve(height, width) if arguments.size else full
    check_format(target, transparent=picture.alpha is not None, size=size)
    buffer = _buffer(picture, size, full)
    wrap = WRAPS[arguments.wrap]
    if arguments.map:
        steering = idr_map(
            model, picture.rgb, cells=arguments.map, wrap=wrap, dtype=arguments.dtype
        )
    else:
        if idr is None:
            idr = model.estimate(
                picture.rgb, wrap=wrap, dtype=arguments.dtype, provenance={"image": source.name}
            )
        steering = idr
    with tqdm(desc=printable(source.name), unit="tile", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        pixels = upscale_to(
            model,
            picture.rgb,
            with_strength(model, steering, arguments.strength),
            size,
            alpha=picture.alpha,
            out=buffer,
            tile=tile,
            overlap=arguments.overlap,
            wrap=wrap,
            dtype=arguments.dtype,
            progress=progress,
        )
    return _Result(picture, pixels[0], idr)


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


def _buffer(picture: DecodedImage, size: tuple[int, int], full: tuple[int, int]) -> torch.Tensor:
    """A result buffer, a quarter of float32 where the result will have 8 bits anyway.

    Its memory is laid out as image files want it, (H, W, C), so that nothing is copied. What the
    work takes besides is asked for, too, before there is any work.
    """
    height, width = size
    shape = (1, height, width, 3 if picture.alpha is None else 4)
    dtype = torch.float32 if picture.deep else torch.uint8
    needed = math.prod(shape) * dtype.itemsize
    if size != full or picture.alpha is not None:
        needed += resizing_bytes(full, size)
    check_room(needed, f"a result of {width} x {height} px")
    with explaining_shortage("for the result", "close other programs, or choose a smaller --size"):
        buffer = torch.empty(shape, dtype=dtype)
    return rearrange(buffer, "b h w c -> b c h w")
