"""Estimators of noise and JPEG quality without learning, to compare a readout with."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.degradation.jpeg import dct_matrix, luma_table

_ROUNDING = 0.6  # standard deviation that rounding to RGB leaves on a DCT coefficient
_TELLING = 3.0


def noise_by_wavelet(lq: Tensor) -> Tensor:
    """Noise by the median of the finest diagonal Haar detail (Donoho and Johnstone 1994).

    Args:
        lq: RGB in [0, 1], (B, 3, H, W).

    Returns:
        Standard deviations, 0-255, (B,); the median over the colours.
    """
    pixels = lq * 255
    a, b = pixels[..., :-1, :-1], pixels[..., :-1, 1:]
    c, d = pixels[..., 1:, :-1], pixels[..., 1:, 1:]
    detail = ((a - b - c + d) / 2)[..., ::2, ::2]
    return (detail.abs().flatten(2).median(2).values / 0.6745).median(1).values


def quality_by_quantisation(lq: Tensor) -> Tensor:
    """JPEG quality by how well the luma's DCT coefficients fit multiples of each table.

    The likelihood of each quality from 20 to 99 against that of no quantisation.

    Args:
        lq: RGB in [0, 1], (B, 3, H, W), its 8x8 blocks beginning in the corner.

    Returns:
        Qualities, (B,); 0 where no compression is the most likely.
    """
    weights = lq.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    luma = (lq * 255 * weights).sum(1, keepdim=True) - 128
    h, w = (n // 8 * 8 for n in luma.shape[2:])
    blocks = F.unfold(luma[..., :h, :w], 8, stride=8).transpose(1, 2).reshape(len(lq), -1, 8, 8)
    dct = dct_matrix().to(lq)
    coefficients = (dct @ blocks @ dct.T).flatten(2)[..., 1:]  # without the mean
    telling = (coefficients.abs() > _TELLING).float()  # zeros fit every table
    count = telling.sum((1, 2)).clamp(min=1)
    scores = [torch.zeros(len(lq))]
    qualities = [0, *range(20, 100)]
    for quality in qualities[1:]:
        step = luma_table(quality).flatten()[1:].to(lq)
        off = coefficients - step * (coefficients / step).round()
        normal = torch.exp(-0.5 * (off / _ROUNDING) ** 2) / (_ROUNDING * math.sqrt(2 * math.pi))
        # Between multiples something may remain: clipping, and blocks that were processed since.
        fit = (0.15 + 0.85 * step * normal).log()
        scores.append((fit * telling).sum((1, 2)) / count)
    return torch.tensor(qualities, dtype=torch.float32)[torch.stack(scores).argmax(0)]
