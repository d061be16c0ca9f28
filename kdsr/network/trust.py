"""Which vectors a model knows anything about: dither and hatching lie far outside of them all.

The estimator takes such patterns for degradations that no photograph has, and far from what it was
trained on its numbers mean nothing. A cell that looks like that has no vote in the estimate of its
image, and a vector from elsewhere is drawn back.
"""

import logging
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from ..idr import IDR
from .calibration import Calibration
from .models import Student

FULL, NONE = 1.0, 1.2
"""Of the distance that 99.9% of photographs' cells stay within: votes fade from the first, where
they are whole, to the second. (A hard limit would make a film flicker where a cell lies on it.)"""
FARTHEST = 1.1
"""Likewise, what a vector may have."""
_SHOWN = 0.005
"""Share of a picture that is worth a line."""
_log = logging.getLogger(__name__)


def range_of(model: Student) -> Calibration | None:
    """The calibration of a model that has a range; else None, said once."""
    calibration = model.calibration
    if calibration is not None and calibration.cell_distance is not None:
        return calibration
    _say_without()
    return None


@cache
def _say_without() -> None:
    _log.warning(
        "the model has no range: dither or hatching in a picture may spoil all of it; "
        "`python train/calibrate.py MODEL.safetensors --data PHOTOS` measures one"
    )


def votes(calibration: Calibration, idr_full: Tensor) -> Tensor:
    """How much each vector counts, 0 to 1: (..., 4C) -> (...)."""
    return ((NONE - _excess(calibration, idr_full)) / (NONE - FULL)).clamp(0, 1)


def lies_outside(model: Student, idr: IDR) -> bool:
    """Whether `drawn_back` moves any vector of a batch."""
    calibration = range_of(model)
    if calibration is None:
        return False
    return bool((_excess(calibration, idr.idr_full) > FARTHEST).any())


def drawn_back(model: Student, idr: IDR) -> IDR:
    """Moves vectors that lie outside of the range straight towards its middle, onto its edge.

    Args:
        model: Theirs; without a range nothing changes.
        idr: From a file, a blend, or an estimate of the whole.
    """
    calibration = range_of(model)
    if calibration is None:
        return idr
    excess = _excess(calibration, idr.idr_full) / FARTHEST
    if (excess <= 1).all():
        return idr
    centre, head = calibration.centre, model.estimator.compress.weight
    full = centre + (idr.idr_full - centre) / excess.clamp(min=1)[:, None]
    with torch.inference_mode():
        vectors = model.estimator.compress_idr(full.to(head)).float().cpu()
    vectors = torch.where((excess > 1)[:, None], vectors, idr.idr)
    told = {**idr.provenance, "drawn back": "into the range that the model knows"}
    return replace(idr, idr=vectors, idr_full=full, provenance=told)


def _excess(calibration: Calibration, idr_full: Tensor) -> Tensor:
    assert calibration.cell_distance is not None
    return calibration.distance(idr_full) / calibration.cell_distance.to(idr_full)


def explained(model: Student, idr: IDR) -> str:
    """A line about what was left out or will be drawn back; empty where nothing was."""
    share = float(idr.left_out.mean())
    if share > 1 - _SHOWN:
        return "the picture looks like dither or hatching all over and is taken for clean"
    if lies_outside(model, idr):
        return "the IDR lies outside of the range that the model knows and is drawn back into it"
    if share >= _SHOWN:
        return f"{share:.0%} of the picture looks like dither or hatching and was left out"
    return ""
