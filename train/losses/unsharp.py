"""Sharper targets: the unsharp mask that Real-ESRGAN puts on the ground truth."""

import torch
from torch import Tensor

from train.degradation.blur import gaussian_blur

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
        detail = images - gaussian_blur(images, radius)
        edges = (detail.abs() > _THRESHOLD).to(images.dtype)
        return torch.lerp(
            images, (images + amount * detail).clamp(0, 1), gaussian_blur(edges, radius)
        )
