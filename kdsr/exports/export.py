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
from ..estimation.features import CELL, differing
from ..meaning.readings import regress
from ..network.baked import BakedKDSR, onto_edge, range_of, votes
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

_TINY = 1e-9  # pixels, so that nothing is divided by zero


class StreamedEstimator(nn.Module):
    """The estimator over the parts of a picture, one call each.

    It judges cells as `kdsr.estimation` does, if the model has a range, and keeps sums between
    calls: the last call's IDR is that of all that was seen.

    Args:
        model: The student; copied.
        dtype: Dtype of the convolutions. Sums, MLP and results stay in float32.
    """

    def __init__(self, model: Student, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.estimator = copy.deepcopy(model.estimator).to(dtype)
        self.estimator.mlp.float()
        self.estimator.compress.float()
        self.calibration: Calibration | None = model.calibration
        self.range = range_of(model)
        self.eval().requires_grad_(False)

    def forward(self, lq: Tensor, weights: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """Adds images or parts of one to what was seen.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W).
            weights: How much each pixel counts, from 0 on, (B, 1, H, W). Cells divide the rectangle
                around the pixels that count.
            before: What the call before gave as seen, (1, 4C + 3); zeros in the first call.

        Returns:
            idr (1, C) and idr_full (1, 4C) of all that was seen, drawn back into the range; seen
            (1, 4C + 3), the weighted sums of the features and pixels that count, of all pixels and
            of those with structure; and, of a calibrated model, readings (1, 11) in the order of
            `kdsr.exports.onnx_file.READINGS`.
        """
        features = self.estimator.features(lq.to(self.dtype)).float()
        structured = differing(lq)[:, None].float() * weights
        sums = self._voted(features * weights, weights)
        seen = before + torch.cat((sums, weights.sum()[None], structured.sum()[None]))
        counted, pixels, structure = seen[:, -3:].unbind(1)
        pooled = seen[:, :-3] / counted.clamp(min=_TINY)[:, None]
        idr, full = self.estimator.from_pooled(pooled)
        if self.calibration is None:
            return idr, full, seen
        if self.range is not None:
            full = torch.where((counted > 0)[:, None], full, self.range.clean)
        structure = structure * counted / pixels.clamp(min=_TINY)
        readings = _readings(self.calibration, full, structure)
        if self.range is not None:
            full = onto_edge(self.range, full)
            idr = self.estimator.compress_idr(full)
        return idr, full, seen, readings

    def _voted(self, features: Tensor, weights: Tensor) -> Tensor:
        """Sums over what counts of weighted features, and of weights: (4C + 1,)."""
        if self.range is None:
            return torch.cat((features.sum((0, 2, 3)), weights.sum()[None]))
        rows, columns = _members(weights.amax((1, 3))), _members(weights.amax((1, 2)))
        sums, pixels = (_summed(plane, rows, columns) for plane in (features, weights))
        cells = self.estimator.from_pooled(sums / pixels.clamp(min=_TINY))[1]
        own = votes(self.range, cells)[:, None]
        return torch.cat(((sums * own).sum(0), (pixels * own).sum(0)))


def _members(weights: Tensor) -> Tensor:
    """Which pixels of an axis each cell has, as `kdsr.estimation.features.Grid` divides it.

    Args:
        weights: (B, length); cells lie from the first to the last that is positive.

    Returns:
        (B, cells, length) of 0 and 1; there are at least as many cells as needed.
    """
    length = weights.shape[1]
    places = torch.arange(length)
    inside = weights > 0
    first = torch.where(inside, places, length).amin(1, keepdim=True)
    last = torch.where(inside, places, -1).amax(1, keepdim=True)
    pixels = (last - first + 1).clamp(min=1).float()
    cells = (pixels / CELL).round().clamp(min=1)
    # Half a step more: what divides evenly is not rounded down.
    own = (((places - first) * cells + 0.5) / pixels).floor()
    numbers = torch.arange(length // CELL + 2)
    return (own[:, None] == numbers[:, None]).float()


def _summed(plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Sums over the cells of (B, C, H, W), one after another: (B * cells, C)."""
    b, c, h, w = plane.shape
    across = (plane.reshape(b, c * h, w) @ columns.mT).reshape(b, c, h, -1)
    return torch.einsum("brh, bchk -> brkc", rows, across).reshape(-1, c)


class SteeredKDSR(nn.Module):
    """The network with its IDR as an input, one for all images of a batch.

    Args:
        model: The student; copied.
        dtype: Dtype of everything but the first convolution, as in `BakedKDSR.cast_body`.
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
        dtype: Dtype, as in the parts.
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
        baked: Network on the CPU; its body may have any dtype, see `BakedKDSR.cast_body`.
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
        baked: Network on the CPU.
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
    """Paths that `export_pair` writes for `x.onnx`: x.estimator.onnx, x.network.onnx, x.json."""
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
        dtype: Dtype, as in `export_blind`.
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
        "lq": torch.zeros(2, 3, 112, 160),
        "weights": torch.ones(2, 1, 112, 160),
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
