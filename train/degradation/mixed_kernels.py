"""Blur kernels of Real-ESRGAN (Wang et al. 2021, Sec. 3): Gaussians, plateaus and sinc."""

import math

import torch
from torch import Tensor

MAX_SIZE = 21


def radial_kernels(
    kind: Tensor, size: Tensor, sigma_x: Tensor, sigma_y: Tensor, angle: Tensor, beta: Tensor
) -> Tensor:
    """Gaussian (0), generalised Gaussian (1) and plateau (2) kernels, each summing to 1.

    Args:
        kind: (B,), integers 0 to 2.
        size: Odd side lengths up to 21, (B,); outside of it a kernel is 0.
        sigma_x: (B,), pixels.
        sigma_y: (B,), pixels; equal to `sigma_x` for isotropic kernels.
        angle: (B,), radians.
        beta: Shape of the generalised and plateau kernels, (B,).

    Returns:
        (B, 21, 21).
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
    """Circular low-pass filters, which ring.

    Args:
        cutoff: Radians, (B,), up to pi.
        size: Odd side lengths up to 21, (B,).

    Returns:
        (B, 21, 21).
    """
    axis = torch.arange(MAX_SIZE, dtype=torch.float64) - MAX_SIZE // 2
    radius = torch.sqrt(axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    omega = _column(cutoff.double())
    kernels = omega * torch.special.bessel_j1(omega * radius) / (2 * math.pi * radius)
    centre = MAX_SIZE // 2
    kernels[:, centre, centre] = (cutoff.double() ** 2) / (4 * math.pi)
    return _normalised(kernels, size)


def identity_kernels(count: int) -> Tensor:
    """Kernels that leave an image as it is, (count, 21, 21)."""
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
