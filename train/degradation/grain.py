"""Film grain: correlated noise, strongest in middle tones and absent in black and white."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.colour import luma_full_range
from train.degradation.checks import no_range, outside, refuse
from train.degradation.draws import normals
from train.degradation.kernels import gaussian_taps


@dataclass(frozen=True)
class Grain:
    """Grain of photographic film, with these ranges."""

    share: float = 0.0
    """Share of samples."""
    min_strength: float = 3.0
    """Weakest grain: standard deviation in middle grey, 0-255."""
    max_strength: float = 25.0
    """Strongest grain."""
    min_size: float = 0.3
    """Finest grain: standard deviation of a clump, LQ pixels."""
    max_size: float = 1.2
    """Coarsest grain."""
    coloured: float = 0.3
    """Share of samples with independent grain per channel; the others have grey grain."""

    def __post_init__(self) -> None:
        ranges = no_range(self, "strength", 0, 255) + no_range(self, "size", 0.1, 3)
        refuse(self, outside(self, ["share", "coloured"], 0, 1), ranges)

    def sample(self, rng: np.random.Generator) -> "Grained":
        """Draws the grain of a sample."""
        return Grained(
            rng.uniform(self.min_strength, self.max_strength),
            rng.uniform(self.min_size, self.max_size),
            bool(rng.random() < self.coloured),
            int(rng.integers(0, 2**62)),
        )


@dataclass(frozen=True)
class Grained:
    """The grain of one sample.

    Attributes:
        strength: Standard deviation in middle grey, 0-255.
        size: Standard deviation of the Gaussian that correlates neighbours, pixels.
        coloured: Whether each channel has its own field.
        seed: Seed of the field.
    """

    strength: float
    size: float
    coloured: bool
    seed: int

    def apply(self, images: Tensor) -> Tensor:
        """Adds the same grain to all images (B, 3, H, W) in [0, 1]; clamps the result."""
        bright = luma_full_range(images)
        response = 2 * (bright * (1 - bright)).clamp(min=0).sqrt()
        field = self.field(images.shape[2], images.shape[3]).to(images)
        return (images + self.strength / 255 * response * field).clamp(0, 1)

    def field(self, height: int, width: int) -> Tensor:
        """Spatially correlated normal numbers, standard deviation 1: (1, 3, height, width)."""
        taps = gaussian_taps(torch.tensor([self.size]))[0]
        pad = len(taps) // 2
        shape = (3 if self.coloured else 1, height + 2 * pad, width + 2 * pad)
        white = normals([self.seed], shape).transpose(0, 1)
        rows, columns = taps.view(1, 1, -1, 1), taps.view(1, 1, 1, -1)
        smooth = F.conv2d(F.conv2d(white, rows), columns) / taps.square().sum()
        return smooth.transpose(0, 1).expand(1, 3, height, width)

    def describe(self) -> str:
        """Describes the draw in words."""
        colour = "coloured grain" if self.coloured else "grain"
        return f"{colour} {self.strength:.0f}, {self.size:.1f} px"
