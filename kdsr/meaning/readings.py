"""An IDR in words: blur, noise and JPEG quality, each with its error, and whether it is usual."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..idr import IDR
from ..network.calibration import QUANTITIES, Calibration
from ..network.layers import LEAK
from ..network.models import Student, calibration_of

_RELIABLE = 0.65
"""A reading is shown if its expected error is at most this share of a constant guess's."""
_JPEG_RELIABLE = 0.85
_ISOTROPIC = 1.3  # axes that differ by less than this are one number
_LARGEST = {"blur_long": 20.0, "blur_short": 20.0, "noise": 255.0, "quality": 100.0}
_LEAST = {"blur_long": 0.35, "noise": 1.0}
"""Below these there is none worth the name: px and 0-255."""


@dataclass(frozen=True)
class Measured:
    """One quantity."""

    value: float
    """In its unit."""
    error: float
    """Expected absolute error of this reading, in the same unit."""


@dataclass(frozen=True)
class Reading:
    """What one IDR says. A quantity that cannot be told reliably from it is None."""

    blur_long: Measured | None
    """Standard deviation along the long axis, px of the upscaled image."""
    blur_short: Measured | None
    """Along the short axis."""
    noise: Measured | None
    """Standard deviation, 0-255, in the low-quality image."""
    quality: Measured | None
    """JPEG quality, 1-100, if it was compressed."""
    compressed: float | None
    """Probability that it was compressed as JPEG, 0 to 1."""
    percentile: float
    """Share of the training's images that are more usual, 0 to 1."""
    excess: float
    """How far out, as a multiple of the training's furthest image."""

    @property
    def inside(self) -> bool:
        """Whether it lies in the range that the model was trained on."""
        return self.excess <= 1.0

    @property
    def words(self) -> str:
        """For people: "blur 2.1 px, noise 6/255, JPEG about 45; inside the trained range"."""
        parts = [part for part in (self._blur(), self._noise(), self._jpeg()) if part]
        where = "inside the trained range" if self.inside else "outside of the trained range"
        return f"{', '.join(parts) or 'nothing that can be told reliably'}; {where}"

    def _blur(self) -> str:
        long, short = self.blur_long, self.blur_short
        if long is None:
            return ""
        if long.value < _LEAST["blur_long"]:
            return "no blur"
        if short is None or long.value <= _ISOTROPIC * short.value:
            mean = long.value if short is None else (long.value + short.value) / 2
            return f"blur {mean:.1f} px"
        return f"blur {long.value:.1f} x {short.value:.1f} px"

    def _noise(self) -> str:
        if self.noise is None:
            return ""
        return (
            "no noise"
            if self.noise.value < _LEAST["noise"]
            else f"noise {self.noise.value:.0f}/255"
        )

    def _jpeg(self) -> str:
        if self.compressed is None:
            return ""
        if self.compressed < 0.5:
            return "no JPEG"
        return "JPEG" if self.quality is None else f"JPEG about {self.quality.value:.0f}"


def read(model: Student, idr: IDR) -> list[Reading]:
    """Reads every vector of a batch.

    Raises:
        IDRError: If the IDR is of another model, or the model has no calibration.
    """
    idr.check_model(model.fingerprint, model.config.n_feats)
    calibration = calibration_of(model)
    values, errors, odds = regress(calibration, idr.idr_full)
    percentiles, excesses = (f(idr.idr_full) for f in (calibration.percentile, calibration.excess))
    return [
        _reading(calibration, *row)
        for row in zip(
            values.tolist(), errors.tolist(), odds.sigmoid().tolist(), percentiles.tolist(),
            excesses.tolist(), strict=True,
        )
    ]  # fmt: skip


def _reading(
    calibration: Calibration,
    values: list[float],
    errors: list[float],
    compressed: float,
    percentile: float,
    excess: float,
) -> Reading:
    """What can be told reliably, of one vector."""
    limits = (_RELIABLE * calibration.naive).tolist()
    found = {
        name: Measured(value, error) if error <= limit else None
        for name, value, error, limit in zip(QUANTITIES, values, errors, limits, strict=True)
    }
    tells_jpeg = float(calibration.jpeg_accuracy) >= _JPEG_RELIABLE
    if not tells_jpeg or compressed < 0.5:
        found["quality"] = None
    return Reading(
        **found,
        compressed=compressed if tells_jpeg else None,
        percentile=percentile,
        excess=excess,
    )


def regress(calibration: Calibration, idr_full: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The regressor.

    Args:
        calibration: Of the model.
        idr_full: (B, 4C).

    Returns:
        Values and expected errors of `QUANTITIES`, (B, 4) each, and log odds of JPEG, (B,).
    """
    hidden = F.leaky_relu(
        calibration.standard(idr_full) @ calibration.hidden_weight.T + calibration.hidden_bias,
        LEAK,
    )
    out = hidden @ calibration.out_weight.T + calibration.out_bias
    largest = torch.tensor([_LARGEST[name] for name in QUANTITIES])
    values = torch.minimum(out[:, :4].clamp(min=0), largest)
    # A likelihood may claim to be surer than anything can be.
    errors = torch.maximum(out[:, 4:8].exp(), 0.05 * calibration.naive)
    return values, torch.minimum(errors, 2 * calibration.naive), out[:, 8]
