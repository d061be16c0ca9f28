"""Sharpens targets by the unsharp mask that Real-ESRGAN applies to the ground truth."""

import torch
from torch import Tensor

from train.degradation.blur import gaussian_blur

_THRESHOLD = 10 / 255
"""Differences below it are kept unsharpened, as in noise and flat areas."""


def unsharp(images: Tensor, amount: float, radius: float) -> Tensor:
    """Sharpens images along edges.

    Minimising L1 under uncertainty gives soft results. Slightly too sharp targets compensate this
    without a discriminator. As in Real-ESRGAN (amount 0.5, radius 8 px), the edge mask is blurred,
    so that sharpened and unsharpened areas blend.

    Args:
        images: Images (B, C, H, W) in [0, 1].
        amount: Factor of the added difference to the blurred image.
        radius: Standard deviation of the blur in pixels.

    Returns:
        Sharpened images (B, C, H, W) in [0, 1].
    """
    with torch.autocast(images.device.type, enabled=False):
        detail = images - gaussian_blur(images, radius)
        edges = (detail.abs() > _THRESHOLD).to(images.dtype)
        return torch.lerp(
            images, (images + amount * detail).clamp(0, 1), gaussian_blur(edges, radius)
        )
