"""Colour banding: too few levels per channel, visible as bands in smooth skies."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from train.degradation.checks import no_range, outside, refuse


@dataclass(frozen=True)
class Banding:
    """Quantisation without dither."""

    share: float = 0.0
    """Share of samples."""
    min_levels: int = 8
    """Fewest levels per channel."""
    max_levels: int = 64
    """Most levels per channel."""

    def __post_init__(self) -> None:
        refuse(self, outside(self, ["share"], 0, 1), no_range(self, "levels", 2, 256))

    def sample(self, rng: np.random.Generator) -> "Banded":
        """Draws a number of levels, uniformly on a logarithmic scale."""
        low, high = np.log2(self.min_levels), np.log2(self.max_levels)
        return Banded(round(2 ** rng.uniform(low, high)))


@dataclass(frozen=True)
class Banded:
    """One quantisation.

    Attributes:
        levels: Number of levels per channel, evenly spaced from 0 to 1.
    """

    levels: int

    def apply(self, images: Tensor) -> Tensor:
        """Rounds images (B, 3, H, W) in [0, 1] to the levels."""
        return (images * (self.levels - 1)).round() / (self.levels - 1)

    def describe(self) -> str:
        """Describes the draw in words."""
        return f"{self.levels} levels"
