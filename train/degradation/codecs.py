"""Compression by the WebP, AVIF and JPEG 4:4:4 codecs of Pillow."""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from PIL import Image, features
from torch import Tensor

from kdsr.errors import ConfigError
from kdsr.pixels import to_bytes
from train.degradation.checks import no_range, outside, refuse

Format = Literal["webp", "avif", "jpeg444"]
_SAVED = {
    "webp": {"format": "WEBP", "method": 4},
    "avif": {"format": "AVIF", "speed": 8, "max_threads": 1},
    "jpeg444": {"format": "JPEG", "subsampling": 0},
}
_SPOKEN = {"webp": "WebP", "avif": "AVIF", "jpeg444": "JPEG 4:4:4"}


@dataclass(frozen=True)
class Codecs:
    """Image codecs of the web, other than JPEG 4:2:0.

    Encoding and decoding a patch of 32 px takes 1.5 ms on a CPU core, 1/600 of a training step of
    size s. Worker processes would therefore gain nothing.
    """

    share: float = 0.0
    """Share of samples."""
    formats: tuple[Format, ...] = ("webp", "avif", "jpeg444")
    """Codecs to draw from."""
    min_quality: int = 20
    """Lowest quality, 1 to 100, as the codec defines it."""
    max_quality: int = 90
    """Highest quality."""

    def __post_init__(self) -> None:
        none = [] if self.formats else [f"formats names none; choose from {', '.join(_SAVED)}"]
        refuse(self, outside(self, ["share"], 0, 1), no_range(self, "quality", 1, 100), none)
        if self.share > 0:
            absent = [n for n in self.formats if n in ("webp", "avif") and not features.check(n)]
            if absent:
                raise ConfigError(
                    f"this Pillow has no {' and no '.join(absent)}: install pillow>=11.3, or leave "
                    "it out of codecs.formats"
                )

    def sample(self, rng: np.random.Generator) -> "Encoded":
        """Draws a codec and a quality."""
        kind = self.formats[int(rng.integers(len(self.formats)))]
        return Encoded(kind, int(rng.integers(self.min_quality, self.max_quality + 1)))


@dataclass(frozen=True)
class Encoded:
    """One compression.

    Attributes:
        format: Codec.
        quality: Quality, 1 to 100, as the codec defines it.
    """

    format: Format
    quality: int

    def apply(self, images: Tensor) -> Tensor:
        """Encodes and decodes images (B, 3, H, W) in [0, 1]; the result is on the 8-bit grid."""
        pixels = rearrange(to_bytes(images).cpu(), "b c h w -> b h w c").numpy()
        decoded = np.stack([self._through(image) for image in pixels])
        made = rearrange(torch.from_numpy(decoded), "b h w c -> b c h w")
        return made.to(images) / 255

    def _through(self, pixels: np.ndarray) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, quality=self.quality, **_SAVED[self.format])
        with Image.open(buffer) as image:
            return np.array(image.convert("RGB"))

    def describe(self) -> str:
        """Describes the draw in words."""
        return f"{_SPOKEN[self.format]} {self.quality}"
