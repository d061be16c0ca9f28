"""PSNR and SSIM as in super-resolution papers: 8-bit luma without borders."""

from typing import Any

import torch
from torch import Tensor

from kdsr.errors import ImageError
from train.colour import luma_16_235


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
    return torch.tensor(
        [
            ssim(a, b)
            for a, b in zip(*(_shaved(luma_16_235(x), shave) for x in (sr, gt)), strict=True)
        ],
        dtype=torch.float64,
    )


def ssim(a: Tensor, b: Tensor) -> float:
    """Computes SSIM by the 11x11 Gaussian window (sigma 1.5) of Wang et al., without padding.

    Args:
        a: An image (1, H, W) in 0-255, at least 11 px per side.
        b: An image of the same shape.

    Returns:
        SSIM in [-1, 1].
    """
    from skimage.metrics import structural_similarity  # a slow import

    found: Any = structural_similarity(
        *(image[0].cpu().numpy() for image in (a, b)),
        data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    return float(found)


def _shaved(images: Tensor, shave: int) -> Tensor:
    if shave == 0:
        return images
    h, w = images.shape[2:]
    if min(h, w) <= 2 * shave:
        raise ImageError(f"images of {w}x{h} px are too small to shave {shave} px at each border")
    return images[:, :, shave:-shave, shave:-shave]
