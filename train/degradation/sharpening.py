"""Sharpening by an unsharp mask as in cameras and phones, which leaves halos along edges."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.degradation.blur import blur
from train.degradation.checks import no_range, outside, refuse
from train.degradation.kernels import gaussian_kernels


@dataclass(frozen=True)
class Sharpening:
    """Sharpening with these ranges."""

    share: float = 0.0
    """Share of samples."""
    min_amount: float = 0.3
    """Smallest amount: factor of the difference between an image and its blurred version."""
    max_amount: float = 2.0
    """Largest amount."""
    min_radius: float = 0.5
    """Narrowest halo: standard deviation of the blur, LQ pixels."""
    max_radius: float = 2.0
    """Widest halo."""

    def __post_init__(self) -> None:
        ranges = no_range(self, "amount", 0, 10) + no_range(self, "radius", 0.1, 3)
        refuse(self, outside(self, ["share"], 0, 1), ranges)

    def sample(self, rng: np.random.Generator) -> "Sharpened":
        """Draws the unsharp mask of a sample."""
        return Sharpened(
            rng.uniform(self.min_amount, self.max_amount),
            rng.uniform(self.min_radius, self.max_radius),
        )


@dataclass(frozen=True)
class Sharpened:
    """One unsharp mask.

    Attributes:
        amount: Factor of the added difference to the blurred image.
        radius: Standard deviation of the blur in pixels.
    """

    amount: float
    radius: float

    def apply(self, images: Tensor) -> Tensor:
        """Sharpens images (B, 3, H, W) in [0, 1]; clamps the result."""
        sigma = torch.tensor([self.radius])
        kernel = gaussian_kernels(sigma, sigma, torch.zeros(1)).to(images)
        smooth = blur(images, kernel.expand(len(images), -1, -1), _whole(images))
        return (images + self.amount * (images - smooth)).clamp(0, 1)

    def describe(self) -> str:
        """Describes the draw in words."""
        return f"sharpened {self.amount:.1f} at {self.radius:.1f} px"


def _whole(images: Tensor) -> tuple[Tensor, Tensor]:
    """Sizes of a batch of equal images, as `blur` needs for kernels wider than them."""
    height, width = (torch.full((len(images),), n) for n in images.shape[2:])
    return height, width
