"""How far a low-quality image lies off its ground truth, and whether both show the same."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.degradation.resize import resize_bicubic

_LARGEST = 512  # LQ pixels a side that are looked at
_STEPS = 20  # a pixel
_COARSE = 4  # LQ pixels that are averaged to ask whether two images show the same


@dataclass(frozen=True)
class Alignment:
    """How an LQ image lies on its ground truth.

    Attributes:
        down: How far it is too low, LQ pixels.
        right: How far it is too far to the right, LQ pixels.
        likeness: Correlation of the two when both are seen coarsely, -1 to 1.
    """

    down: float
    right: float
    likeness: float

    @property
    def distance(self) -> float:
        """LQ pixels."""
        return math.hypot(self.down, self.right)


def align(lq: np.ndarray, gt: np.ndarray) -> Alignment:
    """Measures the shift between the middles of two images, to a third of a pixel or better.

    Args:
        lq: (H, W, 3), uint8.
        gt: (sH, sW, 3), uint8.
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
    """How far `b` shows what `a` shows lower and further to the right, pixels; (H, W) each."""
    from skimage.registration import phase_cross_correlation  # takes a moment: only for new pairs

    height, width = a.shape
    window = torch.hann_window(height, False)[:, None] * torch.hann_window(width, False)
    one, other = ((image - image.mean()) * window for image in (a, b))
    # Not normalised: degradations leave low frequencies where they were, the others hold noise.
    (down, right), *_ = phase_cross_correlation(
        other.numpy(),
        one.numpy(),
        upsample_factor=_STEPS,
        normalization=None,  # pyright: ignore[reportArgumentType] - "phase" or None, it says
    )
    return float(down), float(right)


def _likeness(a: Tensor, b: Tensor) -> float:
    side = min(_COARSE, *a.shape)
    coarse = [F.avg_pool2d(image[None, None], side).flatten() for image in (a, b)]
    one, other = (values - values.mean() for values in coarse)
    return float(one @ other / (one.norm() * other.norm()).clamp(min=1e-6))


def _grey(pixels: np.ndarray) -> Tensor:
    return torch.tensor(pixels, dtype=torch.float32).mean(2)
