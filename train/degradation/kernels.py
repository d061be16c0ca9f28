"""Makes Gaussian blur kernels, one per sample."""

import torch
from torch import Tensor

KERNEL_SIZE = 21


def gaussian_kernels(
    sigma_long: Tensor, sigma_short: Tensor, angle: Tensor, size: int = KERNEL_SIZE
) -> Tensor:
    """Makes anisotropic Gaussian kernels that sum to 1.

    The official code documents its two numbers as eigenvalues, but squares them: they are standard
    deviations, as here.

    Args:
        sigma_long: Standard deviations along the first axis in pixels, (B,).
        sigma_short: Standard deviations along the second axis in pixels, (B,).
        angle: Angles between the first axis and the x axis in radians, (B,).
        size: Side of the kernels in pixels, odd.

    Returns:
        Kernels (B, size, size).
    """
    axis = torch.arange(size, dtype=torch.float64, device=angle.device) - size // 2
    x, y = axis[None, None, :], axis[None, :, None]
    cos, sin = angle.double().cos()[:, None, None], angle.double().sin()[:, None, None]
    along, across = x * cos + y * sin, y * cos - x * sin
    long, short = sigma_long.double()[:, None, None], sigma_short.double()[:, None, None]
    kernels = torch.exp(-0.5 * ((along / long) ** 2 + (across / short) ** 2))
    return (kernels / kernels.sum((1, 2), keepdim=True)).float()


def gaussian_taps(sigma: Tensor, size: int = KERNEL_SIZE) -> Tensor:
    """Makes one-dimensional Gaussian kernels that sum to 1, the factors of isotropic kernels.

    Args:
        sigma: Standard deviations in pixels, (B,).
        size: Length of the kernels, odd.

    Returns:
        Kernels (B, size).
    """
    axis = torch.arange(size, dtype=torch.float64, device=sigma.device) - size // 2
    taps = torch.exp(-0.5 * (axis / sigma.double()[:, None]) ** 2)
    return (taps / taps.sum(1, keepdim=True)).float()
