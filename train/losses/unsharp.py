"""Sharper targets: the unsharp mask that Real-ESRGAN puts on the ground truth."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.degradation.kernels import gaussian_taps

_THRESHOLD = 10 / 255
"""Smaller differences are left as they are: noise and flat areas."""


def unsharp(images: Tensor, amount: float, radius: float) -> Tensor:
    """An unsharp mask where an image has edges.

    What minimises L1 under uncertainty is softer than what was lost; a target that is a little too
    sharp makes up for it, without a discriminator. As in Real-ESRGAN, which takes an amount of 0.5
    and a radius of 8 px, the mask itself is blurred, so that edges and flat areas pass smoothly.

    Args:
        images: (B, C, H, W) in [0, 1].
        amount: How much of the difference to the blurred image is added.
        radius: Standard deviation of the blur, pixels.

    Returns:
        The same shape, in [0, 1].
    """
    with torch.autocast(images.device.type, enabled=False):
        detail = images - _blurred(images, radius)
        edges = (detail.abs() > _THRESHOLD).to(images.dtype)
        return torch.lerp(images, (images + amount * detail).clamp(0, 1), _blurred(edges, radius))


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """By a Gaussian, cut off at three standard deviations or the image; borders are mirrored."""
    reach = min(math.ceil(3 * sigma), min(images.shape[2:]) - 1)
    taps = gaussian_taps(torch.tensor([sigma]), 2 * reach + 1).to(images)[0]
    batch, channels, height, width = images.shape
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    padded = padded.reshape(batch * channels, 1, *padded.shape[2:])
    blurred = F.conv2d(F.conv2d(padded, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
    return blurred.reshape(batch, channels, height, width)
