"""What an IDR says about an image: numbers with their errors, and words for them."""

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
"""What `wording` knows, by the names that ComfyUI's page has for them."""


@dataclass(frozen=True)
class Wording:
    """A language: call it with an English text to get its own."""

    texts: Mapping[str, str]
    """By the English text; what is missing stays English."""
    font: Path | None = None
    """A file that has the letters; None for those that Pillow brings, which are Latin."""

    def __call__(self, text: str, **values: object) -> str:
        """The text with `values` in place of what stands in its braces.

        Without values, braces are left alone: names that people chose pass through here, too.
        """
        own = self.texts.get(text, text)
        return own.format(**values) if values else own


ENGLISH = Wording({})


@lru_cache
def wording(language: str) -> Wording:
    """The wording of a language; English where there is none.

    Args:
        language: As in `LANGUAGES`. Of a region that is not there (zh-HK), the language is taken.
    """
    known = [name for name in (language, language.partition("-")[0]) if name in LANGUAGES[1:]]
    if not known:
        return ENGLISH
    texts = json.loads((FOLDER / f"{known[0]}.json").read_text(encoding="utf-8"))
    return Wording(texts, FOLDER / f"{known[0]}.otf")


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
RULES = {
    "isotropic": _ISOTROPIC,
    "jpeg_sure": _JPEG_SURE,
    "least": _LEAST,
    "digits": _DIGITS,
    "least_structure": LEAST_STRUCTURE,
}
"""What turns numbers into words; exported networks carry it, so that the demo page says the
same."""


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
    def most(self) -> str:
        """The upper end, written."""
        return f"{self.value + self.error:.{self.digits}f}"

    @property
    def number(self) -> str:
        """The value, written."""
        return f"{self.value:.{self.digits}f}"

    @property
    def margin(self) -> str:
        """The error, rounded up."""
        unit = 10**-self.digits
        return f"± {max(1, math.ceil(self.error / unit - 1e-6)) * unit:.{self.digits}f}"

    def surely_below(self, least: float) -> bool:
        """Whether there is none worth the name, not only little."""
        return self.value + self.error < 2 * least


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
        return self.said(ENGLISH)

    def said(self, say: Wording) -> str:
        """`words` in any language."""
        if not self.enough:
            return self.summary(say)
        return say("{summary}; {range}", summary=self.summary(say), range=self.range(say))

    def summary(self, say: Wording) -> str:
        """The first half: what was measured."""
        if not self.enough:
            return say("nothing can be told: the image is too small or too flat")
        parts = [part for part in (self._blur(say), self._noise(say), self._jpeg(say)) if part]
        return say(", ").join(parts) or say("nothing that can be told reliably")

    def range(self, say: Wording) -> str:
        """The second half."""
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
