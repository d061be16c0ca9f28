"""Luma and colour spaces for training and measuring: two lumas, YCbCr and YIQ."""

import torch
from torch import Tensor

from kdsr.pixels import on_grid

_Y = (0.299, 0.587, 0.114)  # ITU-R BT.601
_YIQ = (_Y, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_Y_16_235 = (65.481, 128.553, 24.966)


def luma_full_range(images: Tensor) -> Tensor:
    """JFIF luma (B, 1, H, W) of RGB images (B, 3, H, W), in the range of the images."""
    return (images * images.new_tensor(_Y).view(1, 3, 1, 1)).sum(1, keepdim=True)


def luma_16_235(images: Tensor) -> Tensor:
    """BT.601 luma as in MATLAB's rgb2ycbcr: RGB (B, 3, H, W) in [0, 1] -> (B, 1, H, W) in 16-235.

    Computed in float64 from values rounded to 8 bit.
    """
    weights = torch.tensor(_Y_16_235, dtype=torch.float64, device=images.device)
    return (on_grid(images.double()) * weights.view(1, 3, 1, 1)).sum(1, keepdim=True) + 16


def to_ycbcr(images: Tensor) -> Tensor:
    """JFIF YCbCr with chroma around 0, of RGB images (B, 3, H, W), in the range of the images."""
    return torch.einsum("ij,bjhw->bihw", _ycbcr().to(images), images)


def from_ycbcr(images: Tensor) -> Tensor:
    """Inverts `to_ycbcr`; values are not clamped."""
    return torch.einsum("ij,bjhw->bihw", _ycbcr().inverse().to(images), images)


def to_yiq(images: Tensor) -> Tensor:
    """NTSC YIQ of RGB images (B, 3, H, W), in the range of the images."""
    return torch.nn.functional.conv2d(images, images.new_tensor(_YIQ).view(3, 3, 1, 1))


def _ycbcr() -> Tensor:
    y = torch.tensor(_Y)
    blue = (torch.tensor([0.0, 0.0, 1.0]) - y) / 1.772
    red = (torch.tensor([1.0, 0.0, 0.0]) - y) / 1.402
    return torch.stack((y, blue, red))
