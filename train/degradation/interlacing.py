"""Artefacts of interlaced video: doubled lines, or combs of two fields with motion between them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.degradation.checks import no_range, outside, refuse


@dataclass(frozen=True)
class Interlacing:
    """A field shown twice (doubled lines), or two fields woven into one picture (combs)."""

    share: float = 0.0
    """Share of samples."""
    combed: float = 0.5
    """Share of combs among these samples; the others have doubled lines."""
    min_motion: int = 1
    """Least motion between the fields of a comb, LQ pixels."""
    max_motion: int = 4
    """Most motion."""

    def __post_init__(self) -> None:
        refuse(self, outside(self, ["share", "combed"], 0, 1), no_range(self, "motion", 1, 64))

    def sample(self, rng: np.random.Generator) -> "Interlaced":
        """Draws the artefact of a sample."""
        combed, first = rng.random() < self.combed, int(rng.integers(2))
        motion = int(rng.integers(self.min_motion, self.max_motion + 1))
        direction = 1 if rng.random() < 0.5 else -1
        return Interlaced(motion * direction if combed else 0, first)


@dataclass(frozen=True)
class Interlaced:
    """The artefact of one sample.

    Attributes:
        motion: Shift of the second field to the right, pixels; 0 for doubled lines of the first.
        first: First row of the first field, 0 or 1.
    """

    motion: int
    first: int

    def apply(self, images: Tensor) -> Tensor:
        """Interlaces images (B, 3, H, W) in [0, 1]; rows of the first field keep their values."""
        height, width = images.shape[2:]
        rows = torch.arange(height, device=images.device)
        if self.motion == 0:
            source = rows - (rows + self.first) % 2
            # The first row has none above it and copies the row below.
            return images[:, :, torch.where(source < 0, rows + 1, source).clamp(max=height - 1)]
        columns = (torch.arange(width, device=images.device) - self.motion).clamp(0, width - 1)
        second = (rows + self.first) % 2 == 1
        return torch.where(second[:, None], images[..., columns], images)

    def describe(self) -> str:
        """Describes the draw in words."""
        return f"comb of {self.motion:+d} px" if self.motion else "doubled lines"
