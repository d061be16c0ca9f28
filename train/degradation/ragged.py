"""Batches of images of different sizes, each in the corner of a common canvas.

Random resizing gives every sample its own size. A ragged batch is one tensor (B, C, H, W) with the
true sizes beside it; pixels outside of an image have no meaning. A sample's own size decides the
canvas, so that results do not depend on other samples of the batch.
"""

import torch
from torch import Tensor

MODES = ("area", "bilinear", "bicubic")


def resize_ragged(
    images: Tensor,
    source: tuple[Tensor, Tensor],
    target: tuple[Tensor, Tensor],
    mode: Tensor,
    canvas: tuple[int, int],
) -> Tensor:
    """Resizes each image to its own size, as `F.interpolate` without antialiasing.

    Args:
        images: Images (B, C, H, W).
        source: True heights and widths, (B,) each, int64, on the CPU.
        target: New heights and widths, like `source`, at most `canvas`.
        mode: Indices into `MODES`, (B,).
        canvas: Height and width of the result.

    Returns:
        Images (B, C, *canvas), 0 outside of each image.
    """
    rows, columns = (
        interpolation_matrices(
            source[axis], target[axis], mode, images.shape[2 + axis], n, images.device
        )
        for axis, n in enumerate(canvas)
    )
    return rows[:, None] @ (images @ columns[:, None].transpose(2, 3))


def interpolation_matrices(
    source: Tensor, target: Tensor, mode: Tensor, width: int, height: int, device: torch.device
) -> Tensor:
    """Makes the linear maps of `F.interpolate` along one axis, (B, height, width).

    Args:
        source: Numbers of input pixels, (B,), at most `width`.
        target: Numbers of output pixels, (B,), at most `height`.
        mode: Indices into `MODES`, (B,).
        width: Width of the matrices.
        height: Height of the matrices.
        device: Device of the matrices.
    """
    matrices = torch.zeros(len(source), height, width, device=device)
    out = torch.arange(height, device=device)
    for kind, name in enumerate(MODES):
        rows = (mode == kind).nonzero()[:, 0]
        if not len(rows):
            continue
        n_in, n_out = (n[rows, None].to(device) for n in (source, target))
        ratio = (source[rows, None].double() / target[rows, None]).float().to(device)
        if name == "area":
            start, end = out * n_in // n_out, ((out + 1) * n_in + n_out - 1) // n_out
            column = torch.arange(width, device=device)
            within = (column >= start[..., None]) & (column < end[..., None])
            made = within.float() / (end - start)[..., None]
        else:
            made = _taps((out + 0.5) * ratio - 0.5, n_in, width, cubic=name == "bicubic")
        # Rows below an image stay 0.
        matrices[rows.to(device)] = made * (out < n_out)[..., None]
    return matrices


def _taps(centre: Tensor, n_in: Tensor, width: int, *, cubic: bool) -> Tensor:
    """Weights (B, N, width) that interpolate at `centre` (B, N) among n_in (B, 1) pixels."""
    if not cubic:
        centre = centre.clamp(min=0)
    first = centre.floor()
    fraction = (centre - first)[..., None]
    offset = torch.arange(-1, 3, device=centre.device) if cubic else centre.new_tensor([0, 1])
    weights = _cubic(fraction - offset) if cubic else (1 - (fraction - offset).abs())
    taps = (first[..., None] + offset).long().clamp(min=0)
    taps = torch.minimum(taps, n_in[..., None] - 1)
    return centre.new_zeros(*centre.shape, width).scatter_add_(2, taps, weights)


def _cubic(x: Tensor) -> Tensor:
    """The cubic kernel of `F.interpolate`, a = -0.75."""
    x, a = x.abs(), -0.75
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return torch.where(x <= 1, inner, outer)


def extend(
    images: Tensor, sizes: tuple[Tensor, Tensor], pad: int, canvas: tuple[int, int], *, mirror: bool
) -> Tensor:
    """Extends each image beyond its borders.

    Args:
        images: Images (B, C, H, W).
        sizes: True heights and widths, (B,) each.
        pad: Number of pixels before the first row and column.
        canvas: Height and width of the result.
        mirror: Mirror without the edge pixel; otherwise replicate the edge.

    Returns:
        Images (B, C, *canvas); each begins at (pad, pad).
    """
    for axis, (n, length) in enumerate(zip(sizes, canvas, strict=True)):
        position = (torch.arange(length) - pad).expand(len(n), -1)
        last = n[:, None] - 1
        if mirror:
            position = position.remainder((2 * last).clamp(min=1))
            position = torch.minimum(position, 2 * last - position)
        index = torch.minimum(position.clamp(min=0), last).to(images.device, non_blocking=True)
        shape = (len(n), 1, length, 1) if axis == 0 else (len(n), 1, 1, length)
        wanted = list(images.shape)
        wanted[2 + axis] = length
        images = images.gather(2 + axis, index.view(shape).expand(wanted))
    return images


def inside(sizes: tuple[Tensor, Tensor], canvas: tuple[int, int]) -> Tensor:
    """Mask of the pixels that belong to images: (B, 1, *canvas), bool, on the CPU."""
    rows, columns = (
        torch.arange(n)[None] < size[:, None] for n, size in zip(canvas, sizes, strict=True)
    )
    return (rows[:, :, None] & columns[:, None, :])[:, None]
