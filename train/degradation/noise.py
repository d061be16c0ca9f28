"""Noise with one strength per sample."""

from collections.abc import Sequence

import torch
from torch import Tensor

from train.degradation.draws import normals


def add_gaussian_noise(images: Tensor, sigma: Tensor, grey: Tensor, seeds: Sequence[int]) -> Tensor:
    """Adds Gaussian noise.

    Args:
        images: (B, 3, H, W) in [0, 1].
        sigma: Standard deviations on the 0-255 scale, (B,); 0 for none.
        grey: Whether all three colours get the same noise, (B,), bool.
        seeds: One per sample; see `draws.noise_seeds`.

    Returns:
        (B, 3, H, W), not clamped.
    """
    noisy = sigma > 0
    if not noisy.any():
        return images
    fields = torch.zeros(images.shape)
    chosen = noisy.nonzero()[:, 0].tolist()
    fields[noisy] = normals([seeds[i] for i in chosen], tuple(images.shape[1:]))
    fields = torch.where(grey[:, None, None, None], fields[:, :1], fields)
    return images + (fields * (sigma[:, None, None, None] / 255)).to(images)


def add_poisson_noise(
    images: Tensor, strength: Tensor, grey: Tensor, seeds: Sequence[int]
) -> Tensor:
    """Adds photon noise, as Real-ESRGAN does: the image is counted in 2**ceil(log2(levels)) steps.

    Args:
        images: (B, 3, H, W) in [0, 1].
        strength: Scales the noise, (B,); 0 for none.
        grey: Whether the noise of the luma is added to all colours, (B,), bool.
        seeds: One per sample.

    Returns:
        (B, 3, H, W), not clamped.
    """
    rounded = (images.clamp(0, 1) * 255).round() / 255
    luma = (rounded * images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(
        1, keepdim=True
    )
    luma = (luma.clamp(0, 1) * 255).round() / 255
    result = images.clone()
    for i, seed in enumerate(seeds):
        if strength[i] <= 0:
            continue
        source = luma[i] if grey[i] else rounded[i]
        # 256 bins instead of a sort: only 8-bit values occur.
        levels = torch.bincount((source * 255).round().long().flatten(), minlength=256) > 0
        steps = 2.0 ** torch.ceil(torch.log2(levels.sum().clamp(min=2).float())).item()
        counts = torch.poisson(
            (source * steps).cpu(), generator=torch.Generator().manual_seed(seed)
        ).to(images)
        result[i] += (counts / steps - source) * strength[i].item()
    return result
