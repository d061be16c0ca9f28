"""Reads degradations from an IDR: quantities with errors, and words in several languages."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..idr import IDR
from ..network.architecture import LEAK
from ..network.models import QUANTITIES, Calibration, Student, calibration_of

FOLDER = Path(__file__).parent / "languages"
LANGUAGES = ("en", "ja", "ko", "zh", "zh-TW")
"""Languages of `wording`, named as in ComfyUI's settings."""


@dataclass(frozen=True)
class Wording:
    """Texts of a language; call it with an English text for the translation."""

    texts: Mapping[str, str]
    """Translations by English text; missing texts stay English."""
    font: Path | None = None
    """Font file of the language; None for Pillow's own font, which is Latin."""

    def __call__(self, text: str, **values: object) -> str:
        """Translates a text and fills `values` into its braces.

        Without values, braces stay unchanged, as the text may be a name that a user chose.
        """
        own = self.texts.get(text, text)
        return own.format(**values) if values else own


ENGLISH = Wording({})


@lru_cache
def wording(language: str) -> Wording:
    """Loads the wording of a language; English if it is unknown.

    Args:
        language: Name as in `LANGUAGES`; for an unknown region (zh-HK), the language alone counts.
    """
    known = [name for name in (language, language.partition("-")[0]) if name in LANGUAGES[1:]]
    if not known:
        return ENGLISH
    texts = json.loads((FOLDER / f"{known[0]}.json").read_text(encoding="utf-8"))
    return Wording(texts, FOLDER / f"{known[0]}.otf")


INSIDE = 0.8
"""Probability that a true value lies within the stated error; `train/calibrate.py` ensures it."""
LEAST_STRUCTURE = 256
"""Number of structured LQ pixels below which readings are no better than guesses (docs/idr.md)."""
_FEW = 16.0  # errors grow by _FEW / sqrt(pixels), measured on crops of 16 to 128 px
_RELIABLE = 1.25
"""Largest shown error, relative to the mean error of a constant guess. With the probability
`INSIDE`, that guess is off by up to 1.5 of its mean error."""
_JPEG_RELIABLE = 0.85
_JPEG_SURE = 0.75  # probability
_ISOTROPIC = 1.3  # smallest ratio of two axes that are stated separately
_LARGEST = {"blur_long": 20.0, "blur_short": 20.0, "noise": 255.0, "quality": 100.0}
_LEAST = {"blur_long": 0.35, "noise": 1.0}
"""Values below which an image counts as free of blur (px) or noise (0-255)."""
_DIGITS = {"blur_long": 1, "blur_short": 1, "noise": 0, "quality": 0}
RULES = {
    "isotropic": _ISOTROPIC,
    "jpeg_sure": _JPEG_SURE,
    "least": _LEAST,
    "digits": _DIGITS,
    "least_structure": LEAST_STRUCTURE,
}
"""Rules that turn numbers into words; exported networks carry them, so that the demo page uses the
same."""


@dataclass(frozen=True)
class Measured:
    """A measured quantity with its error."""

    value: float
    """Value in the unit of the quantity."""
    error: float
    """Error in the same unit; for `INSIDE` of photographs the true value lies within it."""
    digits: int = 1
    """Number of decimal places in texts."""

    @property
    def most(self) -> str:
        """Upper end of the range, as text."""
        return f"{self.value + self.error:.{self.digits}f}"

    @property
    def number(self) -> str:
        """Value as text."""
        return f"{self.value:.{self.digits}f}"

    @property
    def margin(self) -> str:
        """Error as text, rounded up."""
        unit = 10**-self.digits
        return f"± {max(1, math.ceil(self.error / unit - 1e-6)) * unit:.{self.digits}f}"

    def surely_below(self, least: float) -> bool:
        """Whether the value surely is negligible."""
        return self.value + self.error < 2 * least


@dataclass(frozen=True)
class Reading:
    """Quantities read from one IDR; None where a reading would be unreliable."""

    blur_long: Measured | None
    """Blur along the long axis: standard deviation in px of the upscaled image."""
    blur_short: Measured | None
    """Blur along the short axis, in the same unit."""
    noise: Measured | None
    """Noise: standard deviation in 0-255, in the LQ image."""
    quality: Measured | None
    """JPEG quality, 1-100, if the image was compressed."""
    compressed: float | None
    """Probability of JPEG compression, 0 to 1."""
    percentile: float
    """Share of training images closer to the centre of the range, 0 to 1."""
    excess: float
    """Distance from the centre, relative to the farthest training image."""

    enough: bool = True
    """Whether the image had enough structured pixels for a reading."""

    @property
    def uncompressed(self) -> bool:
        """Whether the image surely was not compressed as JPEG."""
        return self.compressed is not None and self.compressed < 1 - _JPEG_SURE

    @property
    def inside(self) -> bool:
        """Whether the IDR lies in the model's training range."""
        return self.excess <= 1.0

    @property
    def words(self) -> str:
        """English text: "blur 2.1 px ± 0.4, noise 6/255 ± 2, no JPEG; inside the trained range"."""
        return self.said(ENGLISH)

    def said(self, say: Wording) -> str:
        """Text like `words` in any language."""
        if not self.enough:
            return self.summary(say)
        return say("{summary}; {range}", summary=self.summary(say), range=self.range(say))

    def summary(self, say: Wording) -> str:
        """First half of the text: the quantities."""
        if not self.enough:
            return say("nothing can be told: the image is too small or too flat")
        parts = [part for part in (self._blur(say), self._noise(say), self._jpeg(say)) if part]
        return say(", ").join(parts) or say("nothing that can be told reliably")

    def range(self, say: Wording) -> str:
        """Second half of the text: the place in the training range."""
        if not self.enough:
            return say("too few pixels with structure")
        return say("inside the trained range" if self.inside else "outside of the trained range")

    def _blur(self, say: Wording) -> str:
        long, short = self.blur_long, self.blur_short
        if long is None:
            return ""
        least = _LEAST["blur_long"]
        if long.value < least:
            if long.surely_below(least):
                return say("no blur")
            return say("blur below {most} px", most=long.most)
        if short is None or long.value <= _ISOTROPIC * short.value:
            value = long.value if short is None else (long.value + short.value) / 2
            number = f"{value:.{long.digits}f}"
            return say("blur {value} px {margin}", value=number, margin=long.margin)
        wider = max(long, short, key=lambda axis: axis.error)
        return say(
            "blur {long} x {short} px {margin}",
            long=long.number, short=short.number, margin=wider.margin,
        )  # fmt: skip

    def _noise(self, say: Wording) -> str:
        noise = self.noise
        if noise is None:
            return ""
        if noise.value >= _LEAST["noise"]:
            return say("noise {value}/255 {margin}", value=noise.number, margin=noise.margin)
        if noise.surely_below(_LEAST["noise"]):
            return say("no noise")
        return say("noise below {most}/255", most=noise.most)

    def _jpeg(self, say: Wording) -> str:
        if self.compressed is None:
            return ""
        if self.uncompressed:
            return say("no JPEG")
        name = "JPEG" if self.compressed > _JPEG_SURE else say("perhaps JPEG")
        return f"{name} {self.quality.number} {self.quality.margin}" if self.quality else name


def read(model: Student, idr: IDR) -> list[Reading]:
    """Reads every vector of a batch.

    Raises:
        IDRError: If the IDR belongs to another model, or the model has no calibration.
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
    """Makes the reading of one vector, with its reliable quantities."""
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
    """Largest errors of `QUANTITIES` that are worth showing, (4,)."""
    return _RELIABLE * calibration.naive


def tells_jpeg(calibration: Calibration) -> bool:
    """Whether the calibration can reliably detect JPEG compression."""
    return float(calibration.jpeg_accuracy) >= _JPEG_RELIABLE


def regress(
    calibration: Calibration, idr_full: Tensor, structure: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs the calibration's regressor.

    Args:
        calibration: Calibration of the model.
        idr_full: Vectors (B, 4C).
        structure: Number of structured pixels behind each vector, (B,).

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
    # A fitted likelihood may state impossibly small errors.
    errors = torch.maximum(out[:, 4:8].exp(), 0.05 * calibration.naive)
    errors = errors * (1 + _FEW / structure.clamp(min=1).sqrt())[:, None]
    return values, torch.minimum(errors, 2 * calibration.naive), out[:, 8]
