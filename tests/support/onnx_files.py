"""A small student as ONNX files, and onnxruntime to run them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kdsr import KDSR
from kdsr.exports.export import export_blind, export_pair
from tests.support.calibrated import small_calibrated


def tiny_model() -> KDSR:
    """Its range holds the cells of every `picture`, but no checkerboard."""
    return small_calibrated(cell_distance=torch.tensor([0.9]))


def need_onnx() -> None:
    """Skips a test where ONNX files can be neither written nor run."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)


def tiny_files(model: KDSR, folder: Path) -> Path:
    """Writes tiny.onnx, the whole student, and the parts into a folder, and returns it."""
    need_onnx()
    export_blind(model, folder / "tiny.onnx")
    export_pair(model, folder / "tiny.onnx")
    return folder


class Session:
    """An ONNX file in onnxruntime, tensors in and out."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.facts = self.session.get_modelmeta().custom_metadata_map
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.inputs = [value.name for value in self.session.get_inputs()]

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        found = self.session.run(None, arrays)
        return {
            n: torch.from_numpy(np.asarray(a)) for n, a in zip(self.outputs, found, strict=True)
        }


def picture(height: int, width: int) -> Tensor:
    """Noise and a gradient, (1, 3, H, W)."""
    torch.manual_seed(1000 * height + width)
    ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
    return (0.7 * ramp + 0.3 * torch.rand(1, 3, height, width)).contiguous()


def with_checkerboard(lq: Tensor, columns: int) -> Tensor:
    """The last columns hold a checkerboard."""
    y, x = torch.meshgrid(*map(torch.arange, lq.shape[2:]), indexing="ij")
    return torch.where(x < lq.shape[3] - columns, lq, ((x + y) % 2).float())
