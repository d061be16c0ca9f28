"""`kdsr estimate` and `kdsr bake`."""

import argparse
import sys
from pathlib import Path

import torch

from ..atomic import replacing
from ..bake import BakedKDSR, export_onnx
from ..errors import ConfigError, KDSRError
from ..idr import IDR
from ..image_io import read_image
from ..loading import load
from ..model import KDSR
from ..readout import read
from .inputs import WRAPS, check_new, find_inputs, pick_device


def estimate(arguments: argparse.Namespace) -> int:
    """Prints a line for each image, and saves the IDRs when asked to."""
    inputs = find_inputs(arguments.input)
    if arguments.output:
        check_new(arguments.output, overwrite=arguments.overwrite)
    model = load(arguments.model).to(pick_device(arguments.device))
    tile = {"none": None, "auto": 512}.get(arguments.tile, arguments.tile)
    idrs, failures = [], 0
    for source in inputs:
        try:
            idr = model.estimate(
                read_image(source).rgb,
                tile=tile,
                wrap=WRAPS[arguments.wrap],
                dtype=arguments.dtype,
                provenance={"image": source.name},
            )
        except KDSRError as error:
            failures += 1
            sys.stderr.write(f"kdsr: error: {error}\n")
            continue
        sys.stdout.write(f"{source}: {_described(model, idr)}\n")
        idrs.append(idr)
    if arguments.output and idrs and not failures:
        joined = IDR.cat(idrs)
        (joined.mean() if arguments.mean else joined).save(arguments.output)
        sys.stdout.write(f"saved {arguments.output}\n")
    return 2 if failures else 0


def _described(model: KDSR, idr: IDR) -> str:
    if model.calibration is not None:
        return read(model, idr)[0].words
    first = " ".join(f"{value:.3f}" for value in idr.idr[0, :4].tolist())
    length = idr.idr_full.norm().item()
    return f"idr {first} ... ({idr.idr.shape[1]} values), length of idr_full {length:.3f}"


def bake(arguments: argparse.Namespace) -> int:
    """Writes a plain network with an IDR built in."""
    output: Path = arguments.output
    if output.suffix not in (".onnx", ".pt2"):
        raise ConfigError(f"{output}: end it in .onnx or .pt2 (torch.export)")
    check_new(output, overwrite=arguments.overwrite)
    model = load(arguments.model)
    if arguments.idr:
        idr = IDR.load(arguments.idr)
    else:
        idr = model.estimate(read_image(arguments.image).rgb, dtype="fp32")
    baked = model.bake(idr)
    if output.suffix == ".onnx":
        try:
            export_onnx(baked, output)
        except ImportError as error:
            raise ConfigError(
                f"ONNX export needs the packages onnx and onnxscript ({error}): "
                "pip install onnx onnxscript"
            ) from None
    else:
        _export_program(baked, output)
    sys.stdout.write(
        f"saved {output}: RGB in [0, 1], (B, 3, H, W) -> x{baked.scale}. A program that cuts tiles "
        f"itself needs an overlap of {baked.halo} px to equal one pass.\n"
    )
    return 0


def _export_program(baked: BakedKDSR, path: Path) -> None:
    dims = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=5)}
    dims[3] = torch.export.Dim("width", min=5)
    program = torch.export.export(baked, (torch.zeros(2, 3, 16, 20),), dynamic_shapes=(dims,))
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.export.save(program, file)
