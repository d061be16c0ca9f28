"""What a program must know to use a file, as it stands in the file's metadata."""

from typing import Any

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
_LQ = "low-quality image, (batch, 3, height, width), float32, RGB in [0, 1]"
_SR = "upscaled image, (batch, 3, scale * height, scale * width), float32, not clamped"
_BLEND = "clean_idr + strength * (idr - clean_idr): 0 takes the image for clean, 1 is as estimated"

READINGS = (
    *QUANTITIES, *(f"{name}_error" for name in QUANTITIES), "compressed", "excess", "structure"
)  # fmt: skip
"""What the estimator's output `readings` holds, in order."""


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


def seen_size(model: Student) -> int:
    """Numbers that the estimator hands on between calls."""
    return 4 * model.config.n_feats + 2


def _model_facts(model: Student, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "model": model.metadata.get("name", model.config.preset_name or "custom"),
        "fingerprint": model.fingerprint,
        "n_feats": model.config.n_feats,
    }
