"""A loss on patterns that repeat with every LQ pixel along lines: combs and beaded edges."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

_RISES = (0, 1, -1, 2, -2, 4, -4)
"""Columns over which a line falls by one row; negative for a rising line, 0 for a level one."""
SMALLEST = 6
"""Smallest side in LQ pixels."""


def grid_loss(sr: Tensor, gt: Tensor, scale: int, side: int = 4, step: int | None = None) -> Tensor:
    """Mean excess, over the GT, of patterns that repeat with every LQ pixel along lines.

    A network that ends in a pixel shuffle produces detail most cheaply by such a pattern. An
    adversarial loss rewards it, but people see beaded edges. The loss removes the smooth part of
    each line, then averages pixels at equal positions within their LQ pixels. Repeating patterns
    survive this average; most image content does not. Lines are one pixel wide and run along
    rows, columns and twelve directions between. `colour_loss` averages over squares, in which
    patterns along edges cancel. Deviation: not published; weight 0 by default.

    Args:
        sr: RGB images (B, 3, sH, sW) in [0, 1], at least `(side + 2) * scale` px per side.
        gt: Ground truths of the same shape.
        scale: The network's upscaling factor; the loss is 0 at 1.
        side: Number of LQ pixels averaged along a line; an incomplete rest is ignored.
        step: Number of the training step, which selects a quarter of the directions; all of them
            would cost more than a small network's own step. None uses all directions.

    Returns:
        The mean excess in magnitude over all lines and directions, a scalar.
    """
    found = []
    for ours, true in zip(_lines(sr.float(), step), _lines(gt, step), strict=True):
        excess = _periodic(ours, scale, side).abs() - _periodic(true, scale, side).abs()
        found.append(excess.relu().mean())
    return torch.stack(found).mean()


def _periodic(lines: Tensor, scale: int, side: int) -> Tensor:
    """Averages the rows of (B, C, H, W) at equal positions within `scale`, `side` times each."""
    b, c, h, w = lines.shape
    rows = lines.reshape(b, c * h, w)
    # Two box filters of one LQ pixel keep slopes and remove every pattern with its period.
    smooth = F.avg_pool1d(F.avg_pool1d(rows, scale, 1), scale, 1)
    detail = rows[..., scale:-scale] - smooth[..., 1:-1]
    places = detail.reshape(b, c * h, w // scale - 2, scale).transpose(2, 3)
    places = places - places.mean(2, keepdim=True)
    return F.avg_pool1d(places.reshape(b, -1, w // scale - 2), side)


def _lines(images: Tensor, step: int | None) -> Iterator[Tensor]:
    """Yields images (B, C, H, W) whose rows are the lines of a direction; a quarter per step."""
    directions = [(turned, rise) for turned in (False, True) for rise in _RISES]
    for turned, rise in directions if step is None else directions[step % 4 :: 4]:
        lines = images.mT if turned else images
        yield lines if rise == 0 else _sheared(lines, rise)


def _sheared(images: Tensor, rise: int) -> Tensor:
    """Shears images so that lines of slope 1 / rise become rows; lines wrap at the edge."""
    height, width = images.shape[2:]
    rows, columns = (torch.arange(n, device=images.device) for n in (height, width))
    whole = torch.div(columns, rise, rounding_mode="floor")
    part = (columns - whole * rise) / rise  # fraction of the way to the next row
    index = (rows[:, None] + whole).remainder(height).expand(images.shape)
    line = images.gather(2, index)
    if abs(rise) == 1:
        return line
    return line.lerp(images.gather(2, (index + 1).remainder(height)), part)
