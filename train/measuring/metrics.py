"""PSNR and SSIM as in super-resolution papers: 8-bit luma without borders."""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdsr.errors import ImageError
from train.colour import luma_16_235
from train.degradation.kernels import gaussian_taps


def psnr_y(sr: Tensor, gt: Tensor, shave: int) -> Tensor:
    """Computes PSNR on luma.

    Args:
        sr: RGB images (B, 3, H, W) in [0, 1].
        gt: Ground truths of the same shape.
        shave: Number of ignored pixels at each border; by convention the scale.

    Returns:
        PSNR in dB, (B,), float64; infinite for equal images.
    """
    difference = _shaved(luma_16_235(sr), shave) - _shaved(luma_16_235(gt), shave)
    mse = difference.square().mean((1, 2, 3))
    return 10 * torch.log10(255**2 / mse)


def colour_shift(sr: Tensor, lq: Tensor) -> Tensor:
    """Computes the shift of the mean colour between a result and its input.

    Args:
        sr: RGB results (B, 3, sH, sW) in [0, 1].
        lq: RGB inputs (B, 3, H, W) in [0, 1].

    Returns:
        Shift of the channel that moved most, in steps of 1/255, (B,).
    """
    return 255 * (sr.double().mean((2, 3)) - lq.double().mean((2, 3))).abs().amax(1)


def ssim_y(sr: Tensor, gt: Tensor, shave: int) -> Tensor:
    """Computes SSIM on luma.

    Deviation: the official code divides its luma weights by 255 for SSIM and by 256 for PSNR; here
    both use MATLAB's. The difference is about 1e-5.

    Args:
        sr: RGB images (B, 3, H, W) in [0, 1].
        gt: Ground truths of the same shape.
        shave: Number of ignored pixels at each border.

    Returns:
        SSIM in [-1, 1], (B,), float64.
    """
    return ssim(_shaved(luma_16_235(sr), shave), _shaved(luma_16_235(gt), shave))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Computes SSIM by the 11x11 Gaussian window (sigma 1.5) of Wang et al., without padding.

    Args:
        a: Images (B, 1, H, W) in 0-255, at least 11 px per side.
        b: Images of the same shape.

    Returns:
        SSIM in [-1, 1], (B,).
    """
    taps = gaussian_taps(torch.tensor([1.5], dtype=torch.float64), 11).to(a)

    def smooth(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, taps[:, None, None]), taps[:, None, :, None])

    mean_a, mean_b = smooth(a), smooth(b)
    variance_a, variance_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return ((2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1) * structure).mean((1, 2, 3))


def _shaved(images: Tensor, shave: int) -> Tensor:
    if shave == 0:
        return images
    h, w = images.shape[2:]
    if min(h, w) <= 2 * shave:
        raise ImageError(f"images of {w}x{h} px are too small to shave {shave} px at each border")
    return images[:, :, shave:-shave, shave:-shave]
