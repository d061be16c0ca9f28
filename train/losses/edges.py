"""Loss on edges that wave where the original's are straight."""

import torch
import torch.nn.functional as F
from torch import Tensor

from train.colour import luma_full_range

_FAINT = 2 / 255
"""Gradient per pixel at which an edge counts half."""


def edge_loss(sr: Tensor, gt: Tensor, window: int = 9) -> Tensor:
    """Computes the share of an image's gradient that runs along the edges of its ground truth.

    A straight edge varies across, not along; beads, steps and waves vary along it. The structure
    tensor of the ground truth gives the direction of its edges and their weight: strong, coherent
    edges count, corners, texture and flat areas hardly. The share does not depend on contrast: an
    edge that is softer, sharper or a little beside its place costs nothing. Deviation: not
    published; weight 0 by default.

    Args:
        sr: RGB images (B, 3, H, W) in [0, 1].
        gt: Ground truths of the same shape.
        window: Side of the square over which directions are averaged, in GT pixels; odd.

    Returns:
        The share, 0 to 1, a scalar. Isotropic noise has about 0.64; a ground truth with itself
        0.2, as its edges are not ideal.
    """
    x, y = _gradient(gt)
    half = window // 2
    cos, sin, power = (
        F.avg_pool2d(F.pad(part, (half,) * 4, mode="reflect"), window, 1)
        for part in (x.square() - y.square(), 2 * x * y, x.square() + y.square())
    )  # of the doubled angle
    strength = torch.hypot(cos, sin)
    coherence = strength / (power + _FAINT**2)
    weight = coherence.pow(4) * power.sqrt()
    cos, sin = cos / strength.clamp_min(1e-12), sin / strength.clamp_min(1e-12)

    x, y = _gradient(sr)
    both = x.square() + y.square()
    along = (both - cos * (x.square() - y.square()) - sin * 2 * x * y) / 2
    along, length = (part.clamp_min(1e-8).sqrt() for part in (along, both))
    return (weight * along).sum() / (weight * length).sum().clamp_min(1e-6)


def _gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives of luma to the right and down by Scharr's filter, (B, 1, H - 2, W - 2)."""
    luma = luma_full_range(images.float())
    right = luma.new_tensor([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]]) / 32
    with torch.autocast(images.device.type, enabled=False):  # bf16 would round faint edges away
        found = F.conv2d(luma, torch.stack((right, right.T))[:, None])
    return found[:, :1], found[:, 1:]
