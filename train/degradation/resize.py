"""MATLAB-like bicubic resizing as two matrix products."""

import functools

import torch
from torch import Tensor


def resize_bicubic(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes with the antialiased cubic kernel of MATLAB's imresize, borders replicated.

    Deviation from MATLAB: it mirrors borders; the official KDSR code replicates them, as here.

    Args:
        images: (B, C, H, W).
        size: (height, width) of the result.

    Returns:
        (B, C, height, width), not clamped.
    """
    rows = resize_matrix(images.shape[2], size[0]).to(images)
    columns = resize_matrix(images.shape[3], size[1]).to(images)
    return rows @ (images @ columns.T)


@functools.lru_cache(maxsize=64)
def resize_matrix(n_in: int, n_out: int) -> Tensor:
    """The linear map along one axis, (n_out, n_in), float32 with rows that sum to 1."""
    scale = n_out / n_in
    width = 4 / min(scale, 1)
    centre = (torch.arange(n_out, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - width / 2)
    taps = first[:, None] + torch.arange(int(width) + 3, dtype=torch.float64)
    weights = cubic((centre[:, None] - taps) * min(scale, 1))
    weights /= weights.sum(1, keepdim=True)
    matrix = torch.zeros(n_out, n_in, dtype=torch.float64)
    matrix.scatter_add_(1, taps.clamp(0, n_in - 1).long(), weights)
    return matrix.float()


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = -0.5."""
    x = x.abs()
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, inner, torch.where(x < 2, outer, torch.zeros_like(x)))
