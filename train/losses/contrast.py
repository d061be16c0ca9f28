"""A loss on local contrast: the strength of detail around each pixel, regardless of its shape."""

import torch
import torch.nn.functional as F
from torch import Tensor

from train.colour import luma_full_range

_SCALES = (1, 2, 4)
"""Numbers of neighbours that are averaged before differences are taken, pixels."""
_TINY = 1e-5  # added under the square root; smaller than an 8-bit step


def contrast_loss(sr: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference of the local contrast of images.

    Contrast is the root mean square of luma differences between neighbours, for rows and columns
    apart, at three scales, over windows of four times the scale. L1 favours smoothing away
    uncertain detail. This loss favours as much detail as the GT has, wherever exactly it lies. At
    high weights, flat areas get a texture. Deviation: not published; weight 0 by default.

    Args:
        sr: RGB images (B, 3, H, W) in [0, 1], at least 8 px per side.
        gt: Ground truths of the same shape.
    """
    with torch.autocast(sr.device.type, enabled=False):
        pairs = zip(_contrasts(sr), _contrasts(gt), strict=True)
        return torch.stack([F.l1_loss(ours, true) for ours, true in pairs]).mean()


def _contrasts(images: Tensor) -> list[Tensor]:
    """Maps of local contrast: for each scale, one along rows and one along columns."""
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
