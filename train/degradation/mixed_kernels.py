"""Makes the blur kernels of Real-ESRGAN (Wang et al. 2021, Sec. 3): Gaussian, plateau and sinc."""

import math

import torch
from torch import Tensor

MAX_SIZE = 21


def radial_kernels(
    kind: Tensor, size: Tensor, sigma_x: Tensor, sigma_y: Tensor, angle: Tensor, beta: Tensor
) -> Tensor:
    """Makes Gaussian (0), generalised Gaussian (1) and plateau (2) kernels that sum to 1.

    Args:
        kind: Kinds of the kernels, (B,), 0 to 2.
        size: Sides of the kernels, (B,), odd, at most 21; kernels are 0 outside.
        sigma_x: Widths along the first axis, (B,), pixels.
        sigma_y: Widths along the second axis, (B,), pixels; `sigma_x` for isotropic kernels.
        angle: Angles of the first axis, (B,), radians.
        beta: Shape exponents of generalised Gaussian and plateau kernels, (B,).

    Returns:
        Kernels (B, 21, 21).
    """
    axis = torch.arange(MAX_SIZE, dtype=torch.float64) - MAX_SIZE // 2
    x, y = axis[None, None, :], axis[None, :, None]
    cos, sin = _column(angle.double().cos()), _column(angle.double().sin())
    along = (x * cos + y * sin) / _column(sigma_x.double())
    across = (y * cos - x * sin) / _column(sigma_y.double())
    squared = along**2 + across**2
    power = squared ** _column(torch.where(kind == 0, torch.ones_like(beta), beta).double())
    kernels = torch.where(_column(kind == 2), 1 / (1 + power), torch.exp(-0.5 * power))
    return _normalised(kernels, size)


def sinc_kernels(cutoff: Tensor, size: Tensor) -> Tensor:
    """Makes circular low-pass filters, which cause ringing.

    Args:
        cutoff: Cutoff frequencies, (B,), radians per pixel, at most pi.
        size: Sides of the kernels, (B,), odd, at most 21.

    Returns:
        Kernels (B, 21, 21).
    """
    axis = torch.arange(MAX_SIZE, dtype=torch.float64) - MAX_SIZE // 2
    radius = torch.sqrt(axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    omega = _column(cutoff.double())
    kernels = omega * torch.special.bessel_j1(omega * radius) / (2 * math.pi * radius)
    centre = MAX_SIZE // 2
    kernels[:, centre, centre] = (cutoff.double() ** 2) / (4 * math.pi)
    return _normalised(kernels, size)


def identity_kernels(count: int) -> Tensor:
    """Makes kernels that keep an image unchanged, (count, 21, 21)."""
    kernels = torch.zeros(count, MAX_SIZE, MAX_SIZE)
    kernels[:, MAX_SIZE // 2, MAX_SIZE // 2] = 1
    return kernels


def _column(values: Tensor) -> Tensor:
    return values[:, None, None]


def _normalised(kernels: Tensor, size: Tensor) -> Tensor:
    distance = (torch.arange(MAX_SIZE) - MAX_SIZE // 2).abs()
    inside = torch.maximum(distance[:, None], distance) <= _column(size) // 2
    kernels = torch.where(inside, kernels, torch.zeros_like(kernels))
    return (kernels / kernels.sum((1, 2), keepdim=True)).float()
