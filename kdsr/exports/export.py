"""Networks as files for other programs."""

import copy
import io
import json
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.func import functional_call

from ..atomic import writing
from ..estimation.features import differing
from ..meaning.readings import regress
from ..network.baked import BakedKDSR
from ..network.models import Calibration, Student
from .onnx_file import (
    Traced,
    baked_facts,
    blind_facts,
    estimator_facts,
    free_sides,
    network_facts,
    seen_size,
    write_onnx,
)


class StreamedEstimator(nn.Module):
    """The estimator over the tiles of a picture, one call each.

    The estimator averages its features before its MLP, so what has to be kept between calls is
    their sum and the number of pixels: the last call's IDR is that of the whole picture.

    Args:
        model: The student; copied.
        dtype: Of the convolutions. Sums, MLP and results stay in float32.
    """

    def __init__(self, model: Student, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.estimator = copy.deepcopy(model.estimator).to(dtype)
        self.estimator.mlp.float()
        self.estimator.compress.float()
        self.calibration: Calibration | None = model.calibration
        self.eval().requires_grad_(False)

    def forward(self, lq: Tensor, weights: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """Adds images or tiles to what was seen.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W).
            weights: How much each pixel counts, 0 to 1, (B, 1, H, W).
            before: What the call before gave as seen, (1, 4C + 2); zeros in the first call.

        Returns:
            idr (1, C) and idr_full (1, 4C) of all that was seen; seen (1, 4C + 2), the weighted
            sums of the features, of the pixels and of those with structure; and, of a calibrated
            model, readings (1, 11) in the order of `kdsr.exports.onnx_file.READINGS`.
        """
        features = self.estimator.features(lq.to(self.dtype)).float()
        structured = differing(lq)[:, None].float() * weights
        added = ((features * weights).sum((0, 2, 3)), weights.sum()[None], structured.sum()[None])
        seen = before + torch.cat(added)
        idr, idr_full = self.estimator.from_pooled(seen[:, :-2] / seen[:, -2:-1])
        if self.calibration is None:
            return idr, idr_full, seen
        return idr, idr_full, seen, _readings(self.calibration, idr_full, seen[:, -1])


class SteeredKDSR(nn.Module):
    """The network with its IDR as an input, one for all images of a batch.

    Args:
        model: The student; copied.
        dtype: Of everything but the first convolution, as in `BakedKDSR.cast_body`.
    """

    def __init__(self, model: Student, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.network = BakedKDSR.from_model(model).cast_body(dtype)
        self.predictors = nn.ModuleList(
            copy.deepcopy(block.get_submodule("predictor")) for block in model.network.blocks
        ).to(dtype)
        self.eval().requires_grad_(False)

    def forward(self, lq: Tensor, idr: Tensor) -> Tensor:
        """Maps RGB in [0, 1], (B, 3, H, W), and idr (1, C) to RGB around [0, 1], (B, 3, sH, sW)."""
        kernels = {
            f"depthwise.{i}.weight": rearrange(predict(idr.to(self.dtype)), "1 c h w -> c 1 h w")
            for i, predict in enumerate(self.predictors)
        }
        return functional_call(self.network, kernels, (lq,))


class BlindKDSR(nn.Module):
    """The whole student: an image, (1, 3, H, W), to the upscaled one.

    Args:
        model: The student; copied.
        dtype: As in the parts.
    """

    def __init__(self, model: Student, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.estimator = StreamedEstimator(model, dtype)
        self.network = SteeredKDSR(model, dtype)
        self.register_buffer("nothing", torch.zeros(1, seen_size(model)), persistent=False)
        self.eval()

    def forward(self, lq: Tensor) -> Tensor:
        """Maps RGB in [0, 1], (1, 3, H, W), to RGB around [0, 1], (1, 3, sH, sW)."""
        idr, *_ = self.estimator(lq, torch.ones_like(lq[:, :1]), self.nothing)
        return self.network(lq, idr)


def _readings(calibration: Calibration, idr_full: Tensor, structure: Tensor) -> Tensor:
    values, errors, odds = regress(calibration, idr_full, structure)
    rest = torch.stack((odds.sigmoid(), calibration.excess(idr_full), structure), dim=1)
    return torch.cat((values, errors, rest), dim=1)


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


def export_blind(
    model: Student,
    path: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    overwrite: bool = True,
) -> None:
    """Writes the whole student as ONNX, height and width free.

    Args:
        model: On the CPU.
        path: Ends in `.onnx`; written whole or not at all.
        dtype: float32, or float16 for half of the file; image and result stay in float32.
        overwrite: Whether a file that exists is replaced.

    Raises:
        ConfigError: If onnx or onnxscript is not installed.
    """
    image = {"lq": torch.zeros(1, 3, 16, 20)}
    traced = Traced(
        BlindKDSR(model, dtype), image, (free_sides(model.network.tail.kernel_side),), ["sr"]
    )
    write_onnx(traced, path, blind_facts(model), overwrite=overwrite)


def pair_paths(path: str | Path) -> tuple[Path, Path, Path]:
    """What `export_pair` writes for `x.onnx`: x.estimator.onnx, x.network.onnx and x.json."""
    path = Path(path)
    names = (f"{path.stem}.estimator.onnx", f"{path.stem}.network.onnx", f"{path.stem}.json")
    return path.with_name(names[0]), path.with_name(names[1]), path.with_name(names[2])


def export_pair(
    model: Student,
    path: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    overwrite: bool = True,
) -> tuple[Path, Path, Path]:
    """Writes estimator and network apart: estimate once, then upscale tile by tile.

    Beside them goes a JSON file of what is in their metadata, for runtimes that do not show
    metadata (those of browsers).

    Args:
        model: On the CPU.
        path: Stands for the three of `pair_paths`, each written whole or not at all.
        dtype: As in `export_blind`.
        overwrite: Whether files that exist are replaced.

    Returns:
        The paths of estimator, network and JSON.

    Raises:
        ConfigError: If onnx or onnxscript is not installed.
    """
    estimator_path, network_path, facts_path = pair_paths(path)
    facts = {"estimator": estimator_facts(model), "network": network_facts(model)}
    write_onnx(
        _traced_estimator(model, dtype), estimator_path, facts["estimator"], overwrite=overwrite
    )
    write_onnx(_traced_network(model, dtype), network_path, facts["network"], overwrite=overwrite)
    facts["estimator"]["file"], facts["network"]["file"] = estimator_path.name, network_path.name
    with writing(facts_path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return estimator_path, network_path, facts_path


def _traced_estimator(model: Student, dtype: torch.dtype) -> Traced:
    estimator = StreamedEstimator(model, dtype)
    inputs = {
        "lq": torch.zeros(2, 3, 16, 20),
        "weights": torch.ones(2, 1, 16, 20),
        "before": torch.zeros(1, seen_size(model)),
    }
    outputs = ["idr", "idr_full", "seen"]
    if model.calibration is not None:
        outputs.append("readings")
    free = _free_batch(1)
    return Traced(estimator, inputs, (free, free, None), outputs)


def _traced_network(model: Student, dtype: torch.dtype) -> Traced:
    inputs = {"lq": torch.zeros(2, 3, 16, 20), "idr": torch.zeros(1, model.config.n_feats)}
    free = _free_batch(model.network.tail.kernel_side)
    return Traced(SteeredKDSR(model, dtype), inputs, (free, None), ["sr"])


def _free_batch(least: int) -> dict[int, Any]:
    return {0: torch.export.Dim("batch"), **free_sides(least)}
