"""Measures the shift between an LQ image and its GT, and whether both show the same content."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.degradation.resize import resize_bicubic

_LARGEST = 512  # side of the compared middle, LQ pixels
_STEPS = 20  # resolution of the shift, steps per pixel
_COARSE = 4  # side of the averaged squares when content is compared, LQ pixels


@dataclass(frozen=True)
class Alignment:
    """Position of an LQ image relative to its ground truth.

    Attributes:
        down: Shift downwards in LQ pixels.
        right: Shift to the right in LQ pixels.
        likeness: Correlation of the two at a coarse resolution, -1 to 1.
    """

    down: float
    right: float
    likeness: float

    @property
    def distance(self) -> float:
        """Length of the shift in LQ pixels."""
        return math.hypot(self.down, self.right)


def align(lq: np.ndarray, gt: np.ndarray) -> Alignment:
    """Measures the shift between the middles of two images, within a third of a pixel.

    Args:
        lq: LQ image, (H, W, 3), uint8.
        gt: Ground truth, (sH, sW, 3), uint8.
    """
    scale = gt.shape[0] // lq.shape[0]
    top, left = (max(0, n - _LARGEST) // 2 for n in lq.shape[:2])
    low = _grey(lq[top : top + _LARGEST, left : left + _LARGEST])
    height, width = low.shape
    top, left = top * scale, left * scale
    high = _grey(gt[top : top + height * scale, left : left + width * scale])
    small = resize_bicubic(high[None, None], (height, width))[0, 0]
    down, right = shift(small, low)
    return Alignment(down, right, _likeness(small, low))


def shift(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Shift (down, right) in pixels of the content of `b` against that of `a`, both (H, W)."""
    from skimage.registration import phase_cross_correlation  # a slow import, for new pairs only

    height, width = a.shape
    window = torch.hann_window(height, False)[:, None] * torch.hann_window(width, False)
    one, other = ((image - image.mean()) * window for image in (a, b))
    # Not normalised: the low frequencies survive a degradation, the high ones hold noise.
    (down, right), *_ = phase_cross_correlation(
        other.numpy(),
        one.numpy(),
        upsample_factor=_STEPS,
        normalization=None,  # pyright: ignore[reportArgumentType] - "phase" or None in the documentation
    )
    return float(down), float(right)


def _likeness(a: Tensor, b: Tensor) -> float:
    side = min(_COARSE, *a.shape)
    coarse = [F.avg_pool2d(image[None, None], side).flatten() for image in (a, b)]
    one, other = (values - values.mean() for values in coarse)
    return float(one @ other / (one.norm() * other.norm()).clamp(min=1e-6))


def _grey(pixels: np.ndarray) -> Tensor:
    return torch.tensor(pixels, dtype=torch.float32).mean(2)
