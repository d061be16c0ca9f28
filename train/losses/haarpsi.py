"""HaarPSI as a loss, for edges as strong, thin and clean as in the ground truth."""

import torch
import torch.nn.functional as F
from torch import Tensor

from train.colour import to_yiq

_C, _ALPHA = 30.0, 4.2
"""Constants of the paper, for values of 0 to 255."""
_FLOOR = 1e-4  # smallest weight, as images of one colour would have none
SMALLEST = 16
"""Smallest side in pixels, which the widest filter needs."""


def haarpsi(sr: Tensor, gt: Tensor) -> Tensor:
    """Computes the Haar wavelet-based perceptual similarity index of images, with gradients.

    Reisenhofer et al., "A Haar wavelet-based perceptual similarity index for image quality
    assessment", 2018. At half the size, it compares the magnitudes of the two finest Haar scales,
    and of colour, weighted by the third scale. It is sensitive to soft edges and to ringing, which
    L1 hardly penalises.

    Args:
        sr: RGB images (B, 3, H, W) in [0, 1], at least 16 px per side.
        gt: Ground truths of the same shape.

    Returns:
        Similarities (B,), float32, 0 to 1; 1 for equal images.

    Raises:
        ValueError: If the images are too small.
    """
    if min(sr.shape[2:]) < SMALLEST:
        raise ValueError(f"expected at least {SMALLEST} px a side, got {tuple(sr.shape[2:])}")
    with torch.autocast(sr.device.type, enabled=False):
        ours, true = _halved(sr), _halved(gt)
        a, b = _wavelets(ours[:, :1]), _wavelets(true[:, :1])
        edges = (_similar(a[:, :2], b[:, :2]) + _similar(a[:, 2:4], b[:, 2:4])) / 2
        weights = torch.maximum(a[:, 4:], b[:, 4:])
        tints = _similar(_tint(ours), _tint(true)).mean(1, keepdim=True)
        similarities = torch.cat((edges, tints), 1)
        weights = torch.cat((weights, weights.mean(1, keepdim=True)), 1) + _FLOOR
        rated = ((_ALPHA * similarities).sigmoid() * weights).sum((1, 2, 3))
        return (torch.logit(rated / weights.sum((1, 2, 3))) / _ALPHA) ** 2


def haarpsi_loss(sr: Tensor, gt: Tensor) -> Tensor:
    """Computes 1 - HaarPSI of images (B, 3, H, W) in [0, 1], averaged over the batch."""
    return 1 - haarpsi(sr, gt).mean()


def _halved(images: Tensor) -> Tensor:
    """YIQ in 0-255 at half the size, the paper's viewing distance; odd sides are padded by 0."""
    padded = F.pad(images.float(), (0, images.shape[3] % 2, 0, images.shape[2] % 2))
    half = F.avg_pool2d(padded, 2) * 255
    return to_yiq(half)


def _wavelets(luma: Tensor) -> Tensor:
    """Magnitudes of three Haar scales, finest first, vertical and horizontal: (B, 6, H, W)."""
    found = []
    for scale in (1, 2, 3):
        half = 2 ** (scale - 1)
        kernel = luma.new_full((2 * half, 2 * half), 0.5**scale)
        kernel[half:] *= -1
        padded = F.pad(luma, (half - 1, half, half - 1, half))
        found.append(F.conv2d(padded, torch.stack((kernel, kernel.T))[:, None]))
    return torch.cat(found, 1).abs()


def _tint(yiq: Tensor) -> Tensor:
    """Magnitudes of I and Q averaged over 2 x 2 px: (B, 2, H, W)."""
    return F.avg_pool2d(F.pad(yiq[:, 1:], (0, 1, 0, 1)), 2, stride=1).abs()


def _similar(a: Tensor, b: Tensor) -> Tensor:
    """Similarity of magnitudes: 1 for equal ones, towards 0 for different ones."""
    return (2 * a * b + _C) / (a * a + b * b + _C)
