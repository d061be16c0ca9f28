"""A baked network as a file for other programs: ONNX, or `torch.export`'s .pt2."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import writing
from ..network.baked import BakedKDSR

LARGEST_SIDE = 32_768
"""LQ pixels that a file takes along an axis: some bound is needed by PyTorch 2.4, which otherwise
fails at the sides whose rows 32-bit numbers cannot count."""


def example(baked: BakedKDSR) -> tuple[tuple[Tensor], tuple[dict[int, Any]]]:
    """Arguments to trace a baked network with, and which of their dimensions are free."""
    least = baked.tail.kernel_side
    free = {
        0: torch.export.Dim("batch"),
        2: torch.export.Dim("height", min=least, max=LARGEST_SIDE),
        3: torch.export.Dim("width", min=least, max=LARGEST_SIDE),
    }
    return (torch.zeros(2, 3, 16, 20),), (free,)


def export_onnx(baked: BakedKDSR, path: str | Path, *, overwrite: bool = True) -> None:
    """Writes a baked network as ONNX with free batch, height and width.

    The file equals the baked module in one pass, for images of the tail's `kernel_side` a side or
    more. A runtime that cuts the image into tiles itself sees zero padding at every tile border:
    its result is exact only where tiles overlap by `halo` LQ pixels (in the file's metadata).

    Needs the packages onnx and onnxscript.

    Args:
        baked: In float32, on the CPU.
        path: Ends in `.onnx`; written whole or not at all, see `kdsr.atomic.writing`.
        overwrite: Whether a file that exists is replaced.
    """
    arguments, free = example(baked)
    program = torch.onnx.export(
        baked,
        arguments,
        input_names=["lq"],
        output_names=["sr"],
        dynamic_shapes=free,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(
        {"scale": str(baked.scale), "halo": str(baked.halo), "range": "RGB in [0, 1]"}
    )
    with writing(Path(path), overwrite=overwrite) as temporary:
        program.save(temporary, external_data=False)


def export_program(baked: BakedKDSR, path: str | Path, *, overwrite: bool = True) -> None:
    """Writes a baked network as a `torch.export` program; otherwise as `export_onnx`.

    Args:
        baked: In float32, on the CPU.
        path: Ends in `.pt2`.
        overwrite: Whether a file that exists is replaced.
    """
    arguments, free = example(baked)
    program = torch.export.export(baked, arguments, dynamic_shapes=free)
    packed = io.BytesIO()  # PyTorch's own writer aborts the process where a disk is full
    torch.export.save(program, packed)
    with writing(Path(path), overwrite=overwrite) as temporary:
        temporary.write_bytes(packed.getbuffer())
