"""Blurs and downscales images, each sample with its own kernel."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.degradation.kernels import gaussian_kernels, gaussian_taps
from train.degradation.ragged import extend
from train.degradation.resize import resize_bicubic, resize_matrix


def blur_beside_x4(scale: int) -> float:
    """Factor that converts a blur width in GT pixels from x4 to another scale.

    The factor is proportional to the scale, so that LQ images are equally blurred. x1 uses the
    factor of x2: no downscaling adds blur there, and photographs are often out of focus by more
    than a pixel.
    """
    return max(scale, 2) / 4


def blur(images: Tensor, kernels: Tensor, sizes: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Correlates each image with its own kernel; borders are mirrored without the edge pixel.

    Args:
        images: Images (B, C, H, W).
        kernels: Kernels (B, k, k), k odd.
        sizes: True heights and widths, (B,) each, of a ragged batch (see `ragged`), whose sides may
            be smaller than the kernel; None for a batch of equal sizes.
    """
    pad, (h, w) = kernels.shape[-1] // 2, images.shape[2:]
    if sizes is None:
        padded = F.pad(images, (pad, pad, pad, pad), mode="reflect")
    else:
        padded = extend(images, sizes, pad, (h + 2 * pad, w + 2 * pad), mirror=True)
    # Channels become the batch and samples the groups, which is faster than a group for each pair.
    made = F.conv2d(padded.transpose(0, 1), kernels[:, None], groups=len(kernels))
    return made.transpose(0, 1)


def blur_and_downscale(
    images: Tensor, sigma_long: Tensor, sigma_short: Tensor, angle: Tensor, scale: int
) -> Tensor:
    """Applies Gaussian blur and bicubic downscaling, as `blur` and then `resize_bicubic` would.

    For isotropic samples, blur and downscaling are one matrix per sample and axis, which is faster.

    Args:
        images: Images (B, C, sH, sW).
        sigma_long: Standard deviation along the first axis in GT pixels, (B,); 0 for no blur.
        sigma_short: Standard deviation along the second axis in GT pixels, (B,).
        angle: Angle of the first axis in radians, (B,).
        scale: Downscaling factor.

    Returns:
        (B, C, H, W), not clamped.
    """
    size = (images.shape[2] // scale, images.shape[3] // scale)
    isotropic = sigma_long == sigma_short
    lq = images.new_empty(*images.shape[:2], *size)
    if isotropic.any():
        index = isotropic.nonzero()[:, 0].to(images.device)
        taps = gaussian_taps(sigma_long[isotropic].clamp(min=1e-3)).to(images)
        rows, columns = (_blurred_matrix(taps, n_in, scale) for n_in in images.shape[2:])
        chosen = images[index]
        lq[index] = rows[:, None] @ (chosen @ columns[:, None].transpose(2, 3))
    if not isotropic.all():
        index = (~isotropic).nonzero()[:, 0].to(images.device)
        chosen = (sigma_long[~isotropic], sigma_short[~isotropic], angle[~isotropic])
        kernels = gaussian_kernels(*chosen).to(images)
        lq[index] = resize_bicubic(blur(images[index], kernels), size)
    return lq


def _blurred_matrix(taps: Tensor, n_in: int, scale: int) -> Tensor:
    """Matrices (B, n_in / scale, n_in) that mirror, blur by taps (B, k) and downscale an axis."""
    k = taps.shape[1]
    down = resize_matrix(n_in, n_in // scale).to(taps)
    # The transpose of a correlation is a correlation with the flipped kernel; Gaussians are even.
    spread = F.conv1d(
        F.pad(down, (k - 1, k - 1))[:, None], taps[:, None].flip(2)
    )  # (n_out, B, n_in + k - 1)
    spread = spread.transpose(0, 1)
    pad = k // 2
    inner = spread[..., pad : pad + n_in].clone()
    inner[..., 1 : pad + 1] += spread[..., :pad].flip(-1)
    inner[..., -pad - 1 : -1] += spread[..., pad + n_in :].flip(-1)
    return inner


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blurs images by a Gaussian cut off at three standard deviations; borders are mirrored.

    Args:
        images: Images (B, C, H, W) of any range.
        sigma: Standard deviation in pixels.
    """
    reach = min(math.ceil(3 * sigma), min(images.shape[2:]) - 1)
    taps = gaussian_taps(torch.tensor([sigma]), 2 * reach + 1).to(images)[0]
    batch, channels, height, width = images.shape
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    padded = padded.reshape(batch * channels, 1, *padded.shape[2:])
    blurred = F.conv2d(F.conv2d(padded, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
    return blurred.reshape(batch, channels, height, width)
