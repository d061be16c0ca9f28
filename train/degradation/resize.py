"""Resizes images by two matrix products: MATLAB-like bicubic, and the kernels of other programs."""

import functools

import torch
from torch import Tensor


def resize_bicubic(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes images by the antialiased cubic kernel of MATLAB's imresize.

    Deviation from MATLAB: borders are replicated, as in the official KDSR code, and not mirrored.

    Args:
        images: Images (B, C, H, W).
        size: Height and width of the result.

    Returns:
        Images (B, C, height, width), not clamped; the input itself if it has that size.
    """
    if size == (images.shape[2], images.shape[3]):
        return images
    return resize_by(images, size, "bicubic")


def resize_by(
    images: Tensor, size: tuple[int, int], kernel: str, *, antialias: bool = True
) -> Tensor:
    """Resizes images by one of `KERNELS`; borders are replicated.

    Args:
        images: Images (B, C, H, W).
        size: Height and width of the result.
        kernel: Name in `KERNELS`.
        antialias: Whether to widen the kernel; see `resize_matrix`.

    Returns:
        Images (B, C, height, width), not clamped.
    """
    rows, columns = (
        resize_matrix(n_in, n_out, kernel, antialias).to(images)
        for n_in, n_out in zip(images.shape[2:], size, strict=True)
    )
    return rows @ (images @ columns.T)


@functools.lru_cache(maxsize=64)
def resize_matrix(n_in: int, n_out: int, kernel: str = "bicubic", antialias: bool = True) -> Tensor:
    """Makes the linear map along one axis: (n_out, n_in), float32, rows sum to 1.

    Args:
        n_in: Number of input pixels.
        n_out: Number of output pixels.
        kernel: Name in `KERNELS`.
        antialias: Widen the kernel to all pixels that an output pixel covers. Otherwise only the
            nearest few contribute, as in fast programs.
    """
    scale = n_out / n_in
    function, support = KERNELS[kernel]
    shrink = min(scale, 1) if antialias else 1
    width = support / shrink
    centre = (torch.arange(n_out, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - width / 2)
    taps = first[:, None] + torch.arange(int(width) + 3, dtype=torch.float64)
    weights = function((centre[:, None] - taps) * shrink)
    weights /= weights.sum(1, keepdim=True)
    matrix = torch.zeros(n_out, n_in, dtype=torch.float64)
    matrix.scatter_add_(1, taps.clamp(0, n_in - 1).long(), weights)
    return matrix.float()


def cubic(x: Tensor) -> Tensor:
    """Evaluates Keys' cubic kernel with a = -0.5."""
    x = x.abs()
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, inner, torch.where(x < 2, outer, torch.zeros_like(x)))


def box(x: Tensor) -> Tensor:
    """Evaluates the box kernel: the mean of an area, or the nearest pixel without antialiasing."""
    return ((x >= -0.5) & (x < 0.5)).to(x)


def triangle(x: Tensor) -> Tensor:
    """Evaluates the triangle kernel of linear interpolation."""
    return (1 - x.abs()).clamp(min=0)


def lanczos(x: Tensor) -> Tensor:
    """Evaluates Lanczos' kernel with three lobes."""
    inside = x.abs() < 3
    return torch.where(inside, torch.sinc(x) * torch.sinc(x / 3), torch.zeros_like(x))


KERNELS = {
    "area": (box, 1),
    "bilinear": (triangle, 2),
    "bicubic": (cubic, 4),
    "lanczos": (lanczos, 6),
}
"""Kernels and their widths in pixels, by name."""
