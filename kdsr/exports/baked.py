"""A network with one IDR inside as a file: ONNX, or `torch.export`'s .pt2."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import writing
from ..network.baked import BakedKDSR
from .facts import baked_facts
from .onnx_file import Traced, free_sides, write_onnx


def example(baked: BakedKDSR) -> tuple[tuple[Tensor], tuple[dict[int, Any]]]:
    """Arguments to trace a baked network with, and which of their dimensions are free."""
    free = {0: torch.export.Dim("batch"), **free_sides(baked.tail.kernel_side)}
    return (torch.zeros(2, 3, 16, 20),), (free,)


def export_onnx(baked: BakedKDSR, path: str | Path, *, overwrite: bool = True) -> None:
    """Writes a baked network as ONNX with free batch, height and width.

    The file equals the baked module in one pass, for images of the tail's `kernel_side` a side or
    more. A runtime that cuts the image into tiles itself sees zero padding at every tile border:
    its result is exact only where tiles overlap by `halo` LQ pixels (in the file's metadata).

    Args:
        baked: On the CPU; its body in any dtype that the target runs, see `BakedKDSR.cast_body`.
        path: Ends in `.onnx`; written whole or not at all, see `kdsr.atomic.writing`.
        overwrite: Whether a file that exists is replaced.

    Raises:
        ConfigError: If onnx or onnxscript is not installed.
    """
    (image,), free = example(baked)
    traced = Traced(baked, {"lq": image}, free, ["sr"])
    write_onnx(traced, path, baked_facts(baked), overwrite=overwrite)


def export_program(baked: BakedKDSR, path: str | Path, *, overwrite: bool = True) -> None:
    """Writes a baked network as a `torch.export` program; otherwise as `export_onnx`.

    Args:
        baked: On the CPU.
        path: Ends in `.pt2`.
        overwrite: Whether a file that exists is replaced.
    """
    arguments, free = example(baked)
    program = torch.export.export(baked, arguments, dynamic_shapes=free)
    packed = io.BytesIO()  # PyTorch's own writer aborts the process where a disk is full
    torch.export.save(program, packed)
    with writing(Path(path), overwrite=overwrite) as temporary:
        temporary.write_bytes(packed.getbuffer())
