"""`kdsr bake`."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch

from ..errors import ConfigError
from ..exports.baked import export_onnx, export_program
from ..exports.blind import export_blind, export_pair, pair_paths
from ..files.baked import save_baked
from ..files.images import read_image
from ..files.loading import load
from ..idr import IDR
from ..model import KDSR
from ..tiles.devices import DTYPES
from .outputs import check_output
from .streams import say

_BAKED = {".onnx": export_onnx, ".pt2": export_program, ".safetensors": save_baked}
"""How a network with an IDR inside is written, by the end of the file's name."""


def bake(arguments: argparse.Namespace) -> int:
    """Writes a network for other programs: with an IDR, with the estimator, or in two parts."""
    output: Path = arguments.output
    blind = arguments.blind or arguments.split
    if blind and output.suffix.lower() != ".onnx":
        raise ConfigError(f"{output}: --blind and --split write ONNX alone; end it in .onnx")
    for path in pair_paths(output) if arguments.split else (output,):
        read = (arguments.model, arguments.idr, arguments.image)
        suffixes = (".onnx", ".json") if arguments.split else tuple(_BAKED)
        check_output(path, suffixes, "networks", read, overwrite=arguments.overwrite)
    model = load(arguments.model, crispness=arguments.crispness)
    dtype = DTYPES[arguments.dtype]
    if arguments.split:
        return _split(model, output, dtype, overwrite=arguments.overwrite)
    if arguments.blind:
        export_blind(model, output, dtype=dtype, overwrite=arguments.overwrite)
        return _say(
            [output],
            f"RGB in [0, 1], (1, 3, H, W) -> x{model.config.scale}. It estimates from whatever it "
            "is given: for pictures that do not fit into memory use --split",
        )
    return _bake(model, arguments, dtype)


def _split(model: KDSR, output: Path, dtype: torch.dtype, *, overwrite: bool) -> int:
    paths = export_pair(model, output, dtype=dtype, overwrite=overwrite)
    return _say(
        paths,
        "image -> IDR, and image and IDR -> "
        f"x{model.config.scale}. Tiles need an overlap of {model.network.halo} px to equal one "
        f"pass, {model.estimator.halo} px in the estimator",
    )


def _bake(model: KDSR, arguments: argparse.Namespace, dtype: torch.dtype) -> int:
    if arguments.idr:
        idr = IDR.load(arguments.idr)
    else:
        picture = read_image(arguments.image)
        idr = model.estimate(picture.rgb, mask=picture.weights, dtype="fp32")
    baked = model.bake(idr).cast_body(dtype)
    _BAKED[arguments.output.suffix.lower()](baked, arguments.output, overwrite=arguments.overwrite)
    return _say(
        [arguments.output],
        f"RGB in [0, 1], (B, 3, H, W) -> x{baked.scale}. A program that cuts tiles itself needs an "
        f"overlap of {baked.halo} px to equal one pass",
    )


def _say(paths: Iterable[Path], what: str) -> int:
    say(f"saved {', '.join(map(str, paths))}: {what}.")
    return 0
