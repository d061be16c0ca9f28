"""`kdsr bake`."""

import argparse
import sys
from pathlib import Path

from ..errors import ConfigError
from ..files.exported import export_onnx, export_program
from ..files.images import read_image
from ..files.loading import load
from ..idr import IDR
from .outputs import check_output


def bake(arguments: argparse.Namespace) -> int:
    """Writes a plain network with an IDR built in."""
    output: Path = arguments.output
    overwrite: bool = arguments.overwrite
    read = (arguments.model, arguments.idr, arguments.image)
    check_output(output, (".onnx", ".pt2"), "networks", read, overwrite=overwrite)
    model = load(arguments.model)
    if arguments.idr:
        idr = IDR.load(arguments.idr)
    else:
        idr = model.estimate(read_image(arguments.image).rgb, dtype="fp32")
    baked = model.bake(idr)
    if output.suffix.lower() == ".onnx":
        try:
            export_onnx(baked, output, overwrite=overwrite)
        except ImportError as error:
            raise ConfigError(
                f"ONNX export needs the packages onnx and onnxscript ({error}): "
                "pip install onnx onnxscript"
            ) from None
    else:
        export_program(baked, output, overwrite=overwrite)
    sys.stdout.write(
        f"saved {output}: RGB in [0, 1], (B, 3, H, W) -> x{baked.scale}. A program that cuts tiles "
        f"itself needs an overlap of {baked.halo} px to equal one pass.\n"
    )
    return 0
