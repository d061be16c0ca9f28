"""How much of an image can say how it was degraded: a flat one looks the same through any blur."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pixels import as_floats

_STEP = 2.5 / 255  # a neighbour further off than rounding twice can make it
_STRIP = 2**20  # pixels at once: a copy of a large image would not fit beside it


def structured_pixels(lq: Tensor, weights: Tensor | None = None) -> Tensor:
    """Counts the pixels that differ from the next one to the right or below.

    Args:
        lq: RGB in [0, 1] or uint8, (B, 3, H, W), on any device.
        weights: How much each pixel counts, (B or 1, 1, H, W), at least one positive for each
            image; in proportion to their largest.

    Returns:
        (B,) in float32 on the CPU: pixels, or the sum of their weights.
    """
    height, width = lq.shape[-2:]
    rows = max(1, _STRIP // (len(lq) * width))
    total = torch.zeros(len(lq), dtype=torch.float64)
    for top in range(0, height, rows):
        seen = differing(as_floats(lq[:, :, top : top + rows + 1]))[:, : min(rows, height - top)]
        if weights is not None:
            seen = seen * weights[:, 0, top : top + rows].to(seen.device)
        total += seen.flatten(1).sum(1, dtype=torch.float32).cpu()
    if weights is not None:
        total /= weights.flatten(1).amax(1).cpu()
    return total.float()


def differing(strip: Tensor) -> Tensor:
    """(B, 3, h, W) -> (B, h, W), true where a pixel differs from the next right or below it."""
    right = F.pad(strip.diff(dim=3).abs().amax(1), (0, 1))
    below = F.pad(strip.diff(dim=2).abs().amax(1), (0, 0, 0, 1))
    return torch.maximum(right, below) > _STEP
