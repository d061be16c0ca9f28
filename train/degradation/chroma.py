"""Chroma subsampling (4:2:0), which video and most photographs have."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.colour import from_ycbcr, to_ycbcr
from train.degradation.checks import outside, refuse


@dataclass(frozen=True)
class ChromaSubsampling:
    """Chroma at half the resolution along both axes."""

    share: float = 0.0
    """Share of samples."""
    replicated: float = 0.5
    """Share of these samples whose chroma is replicated instead of interpolated."""

    def __post_init__(self) -> None:
        refuse(self, outside(self, ["share", "replicated"], 0, 1))

    def sample(self, rng: np.random.Generator) -> "Subsampled":
        """Draws the way of upsampling."""
        return Subsampled(bool(rng.random() < self.replicated))


@dataclass(frozen=True)
class Subsampled:
    """One chroma subsampling.

    Attributes:
        replicated: Whether each chroma value becomes four equal ones.
    """

    replicated: bool

    def apply(self, images: Tensor) -> Tensor:
        """Subsamples the chroma of images (B, 3, H, W) in [0, 1]; keeps luma, up to clamping."""
        height, width = images.shape[2:]
        ycc = to_ycbcr(images)
        padded = F.pad(ycc[:, 1:], (0, width % 2, 0, height % 2), mode="replicate")
        small = F.avg_pool2d(padded, 2)
        mode = "nearest" if self.replicated else "bilinear"
        align = None if self.replicated else False
        chroma = F.interpolate(small, scale_factor=2, mode=mode, align_corners=align)
        ycc = torch.cat((ycc[:, :1], chroma[:, :, :height, :width]), 1)
        return from_ycbcr(ycc).clamp(0, 1)

    def describe(self) -> str:
        """Describes the draw in words."""
        return "chroma 4:2:0" + (" in blocks" if self.replicated else "")
