"""Adds Gaussian and Poisson noise, with a strength per sample."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from kdsr.pixels import levels
from train.colour import luma_full_range
from train.degradation.draws import hashed_normals, hashed_uniforms, normals

_LARGEST_COUNT = 384  # photons: 8 standard deviations above the largest mean, 256


def add_gaussian_noise(
    images: Tensor, sigma: Tensor, grey: Tensor, seeds: Sequence[int], *, hashed: bool = False
) -> Tensor:
    """Adds Gaussian noise to images.

    Args:
        images: Images (B, 3, H, W) in [0, 1].
        sigma: Standard deviations, (B,), 0-255; 0 for none.
        grey: Whether all channels get the same noise, (B,), bool.
        seeds: Noise seeds, one per sample; see `draws.noise_seeds`.
        hashed: Make the noise by `draws.hashed_normals` on the device of the images, which is
            faster for large images on a GPU and slower on a CPU.

    Returns:
        Images (B, 3, H, W), not clamped.
    """
    chosen = (sigma > 0).nonzero()[:, 0]
    if not len(chosen):
        return images
    device, shape = images.device, (3, images.shape[2], images.shape[3])
    wanted = [seeds[i] for i in chosen.tolist()]
    fields = hashed_normals(wanted, shape, device) if hashed else normals(wanted, shape)
    column = (len(chosen), 1, 1, 1)
    fields = torch.where(grey[chosen].view(column).to(fields.device), fields[:, :1], fields)
    fields = fields * (sigma[chosen].view(column) / 255).to(fields.device)
    return images.index_add(0, chosen.to(device), fields.to(images))


def add_poisson_noise(
    images: Tensor,
    strength: Tensor,
    grey: Tensor,
    seeds: Sequence[int],
    inside: Tensor | None = None,
) -> Tensor:
    """Adds Poisson noise to images, as Real-ESRGAN does.

    White has n photons per pixel, where n is the number of different grey levels in the image,
    rounded up to a power of two.

    Args:
        images: Images (B, 3, H, W) in [0, 1].
        strength: Factors of the noise, (B,); 0 for none.
        grey: Whether the noise of the luma is added to all channels, (B,), bool.
        seeds: Noise seeds, one per sample, for `draws.hashed_uniforms`.
        inside: Mask of the pixels that belong to an image, (B, 1, H, W), bool; None for all.

    Returns:
        Images (B, 3, H, W), not clamped.
    """
    chosen = (strength > 0).nonzero()[:, 0]
    if not len(chosen):
        return images
    device, index, column = images.device, chosen.to(images.device), (len(chosen), 1, 1, 1)
    pixels = levels(images[index])
    is_grey = grey[chosen].view(column).to(device)
    pixels = torch.where(is_grey, luma_full_range(pixels).round(), pixels)
    where = torch.ones(1, 1, 1, 1, dtype=torch.bool) if inside is None else inside[chosen]
    powers = _level_powers(pixels.long(), where.to(device)).view(column)
    shape = (3, images.shape[2], images.shape[3])
    uniforms = hashed_uniforms([seeds[i] for i in chosen.tolist()], shape, device)
    uniforms = torch.where(is_grey, uniforms[:, :1], uniforms)
    # One search serves all levels: their cumulative distributions are concatenated, each 1 higher.
    row = powers * 256 + pixels.long()
    found = torch.searchsorted(_poisson_table(device), row + uniforms.double(), right=True)
    counts = (found - row * _LARGEST_COUNT).float()
    noise = (counts / 2.0**powers - pixels / 255) * strength[chosen].view(column).to(device)
    return images.index_add(0, index, noise.to(images))


def _level_powers(pixels: Tensor, inside: Tensor) -> Tensor:
    """The log2 of the number of grey levels in each image, rounded up: (B,), 0 to 8.

    Counting in 256 bins replaces a sort, as only 8-bit values occur.
    """
    offset = torch.arange(len(pixels), device=pixels.device).view(-1, 1, 1, 1) * 256
    present = (pixels + offset)[inside.expand_as(pixels)]
    levels = torch.bincount(present, minlength=256 * len(pixels)).view(-1, 256) > 0
    return levels.sum(1).clamp(min=1).double().log2().ceil().long()


@functools.lru_cache(maxsize=4)
def _poisson_table(device: torch.device) -> Tensor:
    """Cumulative distributions for each power of two (9) and grey level (256), each 1 higher.

    Returns:
        Increasing numbers, (9 * 256 * _LARGEST_COUNT,), float64.
    """
    level = torch.arange(256, dtype=torch.float64) / 255
    mean = (2.0 ** torch.arange(9, dtype=torch.float64)[:, None] * level).flatten()[:, None]
    count = torch.arange(_LARGEST_COUNT, dtype=torch.float64)
    density = torch.exp(torch.xlogy(count, mean) - mean - torch.lgamma(count + 1))
    cumulative = density.cumsum(1).clamp(max=1)
    cumulative[:, -1] = 1
    return (cumulative + torch.arange(len(mean))[:, None]).flatten().to(device)
