"""Local contrast: how strong detail is around each place, whatever it looks like."""

import torch
import torch.nn.functional as F
from torch import Tensor

from train.colour import luma_full_range

_SCALES = (1, 2, 4)
"""Pixels over which neighbours are averaged before they are compared."""
_TINY = 1e-5  # of squares, under the root: less than a step of 8 bits


def contrast_loss(sr: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference of the local contrast of images (B, 3, H, W) in [0, 1].

    Contrast is the root mean square of luma's differences between neighbours, horizontal and
    vertical ones apart, at three scales of detail, each over windows of four times that scale. L1
    is least where what cannot be known is smoothed away; this one where as much detail is left as
    the original has, wherever exactly. Deviation: not published; weight 0 by default. At high
    weights flat areas get a texture.

    Args:
        sr: At least 8 px a side.
        gt: The same shape.
    """
    with torch.autocast(sr.device.type, enabled=False):
        pairs = zip(_contrasts(sr), _contrasts(gt), strict=True)
        return torch.stack([F.l1_loss(ours, true) for ours, true in pairs]).mean()


def _contrasts(images: Tensor) -> list[Tensor]:
    """Maps of local contrast: for each scale one along rows, one along columns."""
    bright, found = luma_full_range(images.float()), []
    for scale in _SCALES:
        rows = F.avg_pool2d(bright, (1, scale), stride=1)
        columns = F.avg_pool2d(bright, (scale, 1), stride=1)
        along = rows[..., scale:] - rows[..., :-scale]
        down = columns[..., scale:, :] - columns[..., :-scale, :]
        for steps in (along, down):
            squares = F.avg_pool2d(
                steps.square(), 4 * scale + 1, 2, 2 * scale, count_include_pad=False
            )
            found.append((squares + _TINY).sqrt())
    return found
