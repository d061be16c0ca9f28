"""ONNX files, and the facts that they and their `.json` carry."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..atomic import writing
from ..errors import ConfigError
from ..estimation.features import BUDGET, CELL, WINDOWS
from ..meaning.readings import LEAST_STRUCTURE, QUANTITIES, RULES, reliable_errors, tells_jpeg
from ..meaning.references import CLEAN, references
from ..network.baked import BakedKDSR
from ..network.models import Student
from ..options import STRENGTHS

_RANGE = "RGB in [0, 1]; results may overshoot, so clamp them"
_PADDING = (
    "none: takes any height and width from smallest_side LQ pixels on and pads with zeros inside; "
    "do not pad or reflect yourself"
)
_TILES = (
    "overlap by halo LQ pixels on every side that lies inside the picture and drop the results "
    "there: what is left equals one pass"
)
_SAMPLING = (
    "of an image of more than budget LQ pixels that many windows, a cell of cell x cell LQ pixels "
    "in the middle of each, are enough; docs/onnx.md of KDSR says where they lie"
)
_LQ = "low-quality image, (batch, 3, height, width), float32, RGB in [0, 1]"
_SR = "upscaled image, (batch, 3, scale * height, scale * width), float32, not clamped"
_BLEND = "clean_idr + strength * (idr - clean_idr): 0 only enlarges, 1 is as estimated"

READINGS = (
    *QUANTITIES, *(f"{name}_error" for name in QUANTITIES), "compressed", "excess", "structure"
)  # fmt: skip
"""Entries of the estimator's output `readings`, in order."""


def baked_facts(baked: BakedKDSR) -> dict[str, Any]:
    """Says what a network with one IDR inside takes and gives."""
    return {
        "kind": "baked",
        "scale": baked.scale,
        "halo": baked.halo,
        "smallest_side": baked.tail.kernel_side,
        "range": _RANGE,
        "padding": _PADDING,
        "tiles": _TILES,
        "inputs": {"lq": _LQ},
        "outputs": {"sr": _SR},
    }


def blind_facts(model: Student) -> dict[str, Any]:
    """Says what the whole student takes and gives."""
    return _model_facts(model, "blind") | {
        "scale": model.config.scale,
        "smallest_side": model.network.tail.kernel_side,
        "range": _RANGE,
        "padding": _PADDING,
        "tiles": "do not cut: the estimate is of the whole image; export two files for tiles",
        "cells": _cells(model),
        "inputs": {"lq": _LQ.replace("batch", "1")},
        "outputs": {"sr": _SR.replace("batch", "1")},
    }


def network_facts(model: Student) -> dict[str, Any]:
    """Says what the network alone takes and gives."""
    facts = _model_facts(model, "network") | {
        "scale": model.config.scale,
        "halo": model.network.halo,
        "smallest_side": model.network.tail.kernel_side,
        "range": _RANGE,
        "padding": _PADDING,
        "tiles": _TILES,
        "inputs": {"lq": _LQ, "idr": f"of the estimator, (1, {model.config.n_feats}), for all"},
        "outputs": {"sr": _SR},
    }
    if model.calibration is not None:
        clean = references(model)[CLEAN].idr[0].tolist()
        facts["clean_idr"] = [float(f"{value:.9g}") for value in clean]  # all that float32 holds
        facts["strengths"] = STRENGTHS
        facts["strength"] = _BLEND
    return facts


def estimator_facts(model: Student) -> dict[str, Any]:
    """Says what the estimator alone takes and gives."""
    c = model.config.n_feats
    facts = _model_facts(model, "estimator") | {
        "halo": model.estimator.halo,
        "seen_size": seen_size(model),
        "smallest_side": 1,
        "range": "RGB in [0, 1]",
        "padding": _PADDING,
        "tiles": "one call each, overlapping by halo LQ pixels whose weights are 0",
        "cells": _cells(model),
        "cell": CELL,
        "windows": WINDOWS,
        "budget": BUDGET,
        "sampling": _SAMPLING,
        "inputs": {
            "lq": _LQ,
            "weights": "how much each pixel counts, (batch, 1, height, width): 1, or 0 in a halo",
            "before": f"seen of the call before, (1, {seen_size(model)}); zeros in the first one",
        },
        "outputs": {
            "idr": f"(1, {c}) of all that was seen: drives the network",
            "idr_full": f"(1, {4 * c}): the vector that was distilled",
            "seen": "for the next call, of the same image or film",
        },
    }
    if model.calibration is not None:
        facts["outputs"]["readings"] = f"(1, {len(READINGS)}): what the IDR says, as in readings"
        facts["readings"] = READINGS
        facts["least_structure"] = LEAST_STRUCTURE
        facts["reliable_errors"] = reliable_errors(model.calibration).tolist()
        facts["rules"] = RULES
        facts["tells_jpeg"] = tells_jpeg(model.calibration)
    return facts


def _cells(model: Student) -> str:
    """How the files handle dither, hatching and similar patterns."""
    calibration = model.calibration
    if calibration is None or calibration.cell_distance is None:
        return "all count: the model has no range"
    return (
        f"of about {CELL} LQ pixels a side; those outside of the range of photographs (dither, "
        "hatching) have no vote; where none has, the image is taken for clean"
    )


def seen_size(model: Student) -> int:
    """Numbers that the estimator hands on between calls."""
    return 4 * model.config.n_feats + 3


def _model_facts(model: Student, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "model": model.metadata.get("name", model.config.preset_name or "custom"),
        "fingerprint": model.fingerprint,
        "n_feats": model.config.n_feats,
    }


OPSET = 18
"""The newest that the oldest runtimes in use read; nothing here needs more."""
LARGEST_SIDE = 32_768
"""LQ pixels that a file takes along an axis: some bound is needed by PyTorch 2.4, which otherwise
fails at the sides whose rows 32-bit numbers cannot count."""


@dataclass(frozen=True)
class Traced:
    """A module with what it is traced with."""

    module: nn.Module
    """Network in evaluation mode, on the CPU."""
    inputs: dict[str, Tensor]
    """Example arguments in order, by the names that they have in the file."""
    free: tuple[dict[int, Any] | None, ...]
    """Which dimensions of each argument are free; None where none is."""
    outputs: Sequence[str]
    """Names of the results, in order."""


def free_sides(least: int) -> dict[int, Any]:
    """Free height and width of an image, (B, C, H, W), of at least so many LQ pixels."""
    return {
        2: torch.export.Dim("height", min=least, max=LARGEST_SIDE),
        3: torch.export.Dim("width", min=least, max=LARGEST_SIDE),
    }


def write_onnx(
    traced: Traced, path: str | Path, facts: Mapping[str, object], *, overwrite: bool = True
) -> None:
    """Writes one ONNX file, weights inside.

    Args:
        traced: Network to write.
        path: Written whole or not at all, see `kdsr.atomic.writing`.
        facts: Metadata of the file; values other than strings are stored as JSON.
        overwrite: Whether a file that exists is replaced.

    Raises:
        ConfigError: If onnx or onnxscript is not installed.
    """
    _check_packages()
    with _without_chatter():
        program = torch.onnx.export(
            traced.module,
            tuple(traced.inputs.values()),
            input_names=list(traced.inputs),
            output_names=list(traced.outputs),
            dynamic_shapes=traced.free,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update({k: _as_text(v) for k, v in facts.items()})
    with writing(Path(path), overwrite=overwrite) as temporary:
        temporary.write_bytes(program.model_proto.SerializeToString())


def _check_packages() -> None:
    """PyTorch itself says so only after it has traced the module."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"ONNX export needs the packages onnx and onnxscript ({error}): "
            "pip install onnx onnxscript"
        ) from None


def _as_text(fact: object) -> str:
    return fact if isinstance(fact, str) else json.dumps(fact)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """PyTorch tells users of packages that it misses, and of its own deprecations."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
