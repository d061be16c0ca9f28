"""Interlaced video on a screen of today: doubled lines, or the combs of two fields that moved."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.degradation.checks import require_range, require_shares


@dataclass(frozen=True)
class Interlacing:
    """One field shown twice, or both in one picture."""

    share: float = 0.0
    """Share of samples."""
    combed: float = 0.5
    """Share of combs among them; the others have doubled lines."""
    min_motion: int = 1
    """Least motion between the fields of a comb, LQ pixels."""
    max_motion: int = 4
    """Most motion."""

    def __post_init__(self) -> None:
        require_shares(self, "share", "combed")
        require_range(self, "motion", self.min_motion, self.max_motion, (1, 64))

    def sample(self, rng: np.random.Generator) -> "Interlaced":
        """Draws one."""
        combed, first = rng.random() < self.combed, int(rng.integers(2))
        motion = int(rng.integers(self.min_motion, self.max_motion + 1))
        direction = 1 if rng.random() < 0.5 else -1
        return Interlaced(motion * direction if combed else 0, first)


@dataclass(frozen=True)
class Interlaced:
    """What became of one picture.

    Attributes:
        motion: Pixels by which the second field is shifted to the right; 0 where it is not shown
            at all and the lines of the first are doubled.
        first: The row that the first field starts in, 0 or 1.
    """

    motion: int
    first: int

    def apply(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> the same; rows of the first field are unchanged."""
        height, width = images.shape[2:]
        rows = torch.arange(height, device=images.device)
        if self.motion == 0:
            source = rows - (rows + self.first) % 2
            # Nothing lies above the first row: it shows the one below it.
            return images[:, :, torch.where(source < 0, rows + 1, source).clamp(max=height - 1)]
        columns = (torch.arange(width, device=images.device) - self.motion).clamp(0, width - 1)
        second = (rows + self.first) % 2 == 1
        return torch.where(second[:, None], images[..., columns], images)

    def describe(self) -> str:
        """Says what was drawn, in words."""
        return f"comb of {self.motion:+d} px" if self.motion else "doubled lines"
