"""An IDR in words: blur, noise and JPEG quality, each with its error, and whether it is usual."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..idr import IDR
from ..network.calibration import QUANTITIES, Calibration
from ..network.layers import LEAK
from ..network.models import Student, calibration_of

INSIDE = 0.8
"""Share of truths that lie within the stated error; `train/calibrate.py` makes it so."""
LEAST_STRUCTURE = 256
"""LQ pixels with structure below which readings are no better than guesses (docs/idr.md)."""
_FEW = 16.0  # errors grow by this over the root of the pixels: measured on crops of 16 to 128 px
_RELIABLE = 1.25
"""Errors are at most this much of a constant guess's mean error, or nothing is shown; as often as
they hold, the guess is off by 1.5 of it."""
_JPEG_RELIABLE = 0.85
_JPEG_SURE = 0.75  # probability
_ISOTROPIC = 1.3  # axes that differ by less than this are one number
_LARGEST = {"blur_long": 20.0, "blur_short": 20.0, "noise": 255.0, "quality": 100.0}
_LEAST = {"blur_long": 0.35, "noise": 1.0}
"""Below these there is none worth the name: px and 0-255."""
_DIGITS = {"blur_long": 1, "blur_short": 1, "noise": 0, "quality": 0}


@dataclass(frozen=True)
class Measured:
    """One quantity."""

    value: float
    """In its unit."""
    error: float
    """In the same unit: the truth lies within it for `INSIDE` of photographs."""
    digits: int = 1
    """Behind the point, when written."""

    @property
    def most(self) -> float:
        """The upper end."""
        return self.value + self.error

    @property
    def number(self) -> str:
        """The value, written."""
        return f"{self.value:.{self.digits}f}"

    @property
    def margin(self) -> str:
        """The error, rounded up."""
        unit = 10**-self.digits
        return f"± {max(1, math.ceil(self.error / unit - 1e-6)) * unit:.{self.digits}f}"


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

    enough: bool = True
    """Whether the image had enough pixels with structure to tell anything."""

    @property
    def uncompressed(self) -> bool:
        """Whether it surely was not compressed as JPEG."""
        return self.compressed is not None and self.compressed < 1 - _JPEG_SURE

    @property
    def inside(self) -> bool:
        """Whether it lies in the range that the model was trained on."""
        return self.excess <= 1.0

    @property
    def words(self) -> str:
        """For people: "blur 2.1 px ± 0.4, noise 6/255 ± 2, no JPEG; inside the trained range"."""
        return f"{self.summary}; {self.range}" if self.enough else self.summary

    @property
    def summary(self) -> str:
        """The first half of `words`: what was measured."""
        if not self.enough:
            return "nothing can be told: the image is too small or too flat"
        parts = [part for part in (self._blur(), self._noise(), self._jpeg()) if part]
        return ", ".join(parts) or "nothing that can be told reliably"

    @property
    def range(self) -> str:
        """The second half."""
        if not self.enough:
            return "too few pixels with structure"
        return "inside the trained range" if self.inside else "outside of the trained range"

    def _blur(self) -> str:
        long, short = self.blur_long, self.blur_short
        if long is None:
            return ""
        if long.value < _LEAST["blur_long"]:
            return _little("blur", long, _LEAST["blur_long"], " px")
        if short is None or long.value <= _ISOTROPIC * short.value:
            value = long.value if short is None else (long.value + short.value) / 2
            return f"blur {value:.{long.digits}f} px {long.margin}"
        wider = max(long, short, key=lambda axis: axis.error)
        return f"blur {long.number} x {short.number} px {wider.margin}"

    def _noise(self) -> str:
        if self.noise is None:
            return ""
        if self.noise.value < _LEAST["noise"]:
            return _little("noise", self.noise, _LEAST["noise"], "/255")
        return f"noise {self.noise.number}/255 {self.noise.margin}"

    def _jpeg(self) -> str:
        if self.compressed is None:
            return ""
        if self.uncompressed:
            return "no JPEG"
        name = "JPEG" if self.compressed > _JPEG_SURE else "perhaps JPEG"
        return f"{name} {self.quality.number} {self.quality.margin}" if self.quality else name


def _little(name: str, measured: Measured, least: float, unit: str) -> str:
    """None, if that is sure; else how much it may be."""
    if measured.most < 2 * least:
        return f"no {name}"
    return f"{name} below {measured.most:.{measured.digits}f}{unit}"


def read(model: Student, idr: IDR) -> list[Reading]:
    """Reads every vector of a batch.

    Raises:
        IDRError: If the IDR is of another model, or the model has no calibration.
    """
    idr.check_model(model.fingerprint, model.config.n_feats)
    calibration = calibration_of(model)
    values, errors, odds = regress(calibration, idr.idr_full, idr.structure)
    percentiles, excesses = (f(idr.idr_full) for f in (calibration.percentile, calibration.excess))
    enough = idr.structure >= LEAST_STRUCTURE
    return [
        _reading(calibration, *row)
        for row in zip(
            values.tolist(), errors.tolist(), odds.sigmoid().tolist(), percentiles.tolist(),
            excesses.tolist(), enough.tolist(), strict=True,
        )
    ]  # fmt: skip


def _reading(
    calibration: Calibration,
    values: list[float],
    errors: list[float],
    compressed: float,
    percentile: float,
    excess: float,
    enough: bool,
) -> Reading:
    """What can be told reliably, of one vector."""
    limits = reliable_errors(calibration).tolist()
    found = {
        name: Measured(value, error, _DIGITS[name]) if enough and error <= limit else None
        for name, value, error, limit in zip(QUANTITIES, values, errors, limits, strict=True)
    }
    told = enough and tells_jpeg(calibration)
    if not told or compressed < 0.5:
        found["quality"] = None
    return Reading(
        **found,
        compressed=compressed if told else None,
        percentile=percentile,
        excess=excess,
        enough=enough,
    )


def reliable_errors(calibration: Calibration) -> Tensor:
    """(4,): readings of `QUANTITIES` with larger errors are not worth showing."""
    return _RELIABLE * calibration.naive


def tells_jpeg(calibration: Calibration) -> bool:
    """Whether it can be told reliably that an image was compressed."""
    return float(calibration.jpeg_accuracy) >= _JPEG_RELIABLE


def regress(
    calibration: Calibration, idr_full: Tensor, structure: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The regressor.

    Args:
        calibration: Of the model.
        idr_full: (B, 4C).
        structure: Pixels with structure that each was estimated from, (B,).

    Returns:
        Values and errors of `QUANTITIES`, (B, 4) each, and log odds of JPEG, (B,).
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
    errors = errors * (1 + _FEW / structure.clamp(min=1).sqrt())[:, None]
    return values, torch.minimum(errors, 2 * calibration.naive), out[:, 8]
