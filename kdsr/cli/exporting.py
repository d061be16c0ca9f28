"""Runs `kdsr bake` and `kdsr demo`."""

from collections.abc import Iterable
from pathlib import Path

import torch

from ..errors import ConfigError
from ..estimation import explained
from ..exports.demo_page import ADDRESS, RUNTIME, demo_files, has_runtime, make_server, write_demo
from ..exports.export import export_blind, export_onnx, export_pair, export_program, pair_paths
from ..files.baked import save_baked
from ..files.catalog import load
from ..files.images import read_image
from ..idr import IDR
from ..model import KDSR
from ..tiles.work import DTYPES
from .commands import Bake, Demo, check_new, check_output
from .streams import note, say

_BAKED = {".onnx": export_onnx, ".pt2": export_program, ".safetensors": save_baked}
"""Writers of baked networks, by file suffix."""


def bake(command: Bake) -> int:
    """Writes a network for other programs: with an IDR, with the estimator, or as two files."""
    output: Path = command.output
    blind = command.blind or command.split
    if blind and output.suffix.lower() != ".onnx":
        raise ConfigError(f"{output}: --blind and --split write ONNX alone; end it in .onnx")
    for path in pair_paths(output) if command.split else (output,):
        read = (command.model, command.idr, command.image)
        suffixes = (".onnx", ".json") if command.split else tuple(_BAKED)
        check_output(path, suffixes, "networks", read, overwrite=command.overwrite)
    model = load(command.model, crispness=command.crispness)
    dtype = DTYPES[command.dtype]
    if command.split:
        return _split(model, output, dtype, overwrite=command.overwrite)
    if command.blind:
        export_blind(model, output, dtype=dtype, overwrite=command.overwrite)
        return _say(
            [output],
            f"RGB in [0, 1], (1, 3, H, W) -> x{model.config.scale}. It estimates from whatever it "
            "is given: for pictures that do not fit into memory use --split",
        )
    return _bake(model, command, dtype)


def _split(model: KDSR, output: Path, dtype: torch.dtype, *, overwrite: bool) -> int:
    paths = export_pair(model, output, dtype=dtype, overwrite=overwrite)
    return _say(
        paths,
        "image -> IDR, and image and IDR -> "
        f"x{model.config.scale}. Tiles need an overlap of {model.network.halo} px to equal one "
        f"pass, {model.estimator.halo} px in the estimator",
    )


def _bake(model: KDSR, command: Bake, dtype: torch.dtype) -> int:
    if command.idr:
        idr = IDR.load(command.idr)
    else:
        assert command.image is not None  # the parser requires one of the two
        picture = read_image(command.image)
        idr = model.estimate(picture.rgb, mask=picture.weights, dtype="fp32")
    if line := explained(model, idr):
        note(f"{command.idr or command.image}: {line}")
    baked = model.bake(idr).cast_body(dtype)
    _BAKED[command.output.suffix.lower()](baked, command.output, overwrite=command.overwrite)
    return _say(
        [command.output],
        f"RGB in [0, 1], (B, 3, H, W) -> x{baked.scale}. A program that cuts tiles itself needs an "
        f"overlap of {baked.halo} px to equal one pass",
    )


def _say(paths: Iterable[Path], what: str) -> int:
    say(f"saved {', '.join(map(str, paths))}: {what}.")
    return 0


def demo(command: Demo) -> int:
    """Writes the demo page and its model into a folder, and serves it if `--serve` is given."""
    folder: Path = command.folder
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a folder")
    if all(path.exists() for path in demo_files(folder)) and not command.overwrite:
        say(f"{folder} holds the page already; --overwrite makes it anew")
    else:
        _write(folder, command)
    if not has_runtime(folder):
        say(f"onnxruntime-web is missing there: npm install --prefix {folder} {RUNTIME}")
    if command.serve is None:
        return 0
    with make_server(folder, command.serve) as server:
        say(f"serving http://{ADDRESS}:{server.server_port}/ until Ctrl-C")
        server.serve_forever()
    return 0


def _write(folder: Path, command: Demo) -> None:
    for path in demo_files(folder):
        check_new(path, overwrite=command.overwrite)
    model, dtype = load(command.model, crispness=command.crispness), DTYPES[command.dtype]
    write_demo(model, folder, dtype=dtype, overwrite=command.overwrite)
    say(f"saved a page for any web server in {folder}")
