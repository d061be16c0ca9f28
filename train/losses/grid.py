"""Patterns with the period of an LQ pixel along lines: combs, and edges made of beads."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

_RISES = (0, 1, -1, 2, -2, 4, -4)
"""Columns in which a line falls by a row, or rises (less than 0); 0 is level."""
SMALLEST = 6
"""LQ pixels a side that it needs."""


def grid_loss(sr: Tensor, gt: Tensor, scale: int, side: int = 4, step: int | None = None) -> Tensor:
    """How much stronger than in the original what comes again with every LQ pixel along lines is.

    A network that ends in a pixel shuffle makes detail most cheaply by a pattern of its own that
    comes again with every LQ pixel: an adversarial loss is glad of it, people see edges made of
    beads. It stays when pixels of a line, less what is smooth along it, are averaged at each of the
    `scale` places that a pixel can have within its LQ pixel, while most of what an image shows does
    not. Lines are a pixel wide and run along rows and columns and in twelve directions between
    them. `colour_loss` averages over squares, in which patterns that follow edges cancel.
    Deviation: not published; weight 0 by default.

    Args:
        sr: RGB in [0, 1], (B, 3, sH, sW), at least `(side + 2) * scale` px a side.
        gt: The same shape.
        scale: Of the network; at 1 there is nothing to see, and the loss is 0.
        side: LQ px that are averaged along a line; what is left over does not count.
        step: Of a training: a quarter of the directions is looked at, another one in the next step.
            All of them cost more than a small network's own step. None looks at all.

    Returns:
        The mean excess in magnitude over all lines and directions, a number.
    """
    found = []
    for ours, true in zip(_lines(sr.float(), step), _lines(gt, step), strict=True):
        excess = _periodic(ours, scale, side).abs() - _periodic(true, scale, side).abs()
        found.append(excess.relu().mean())
    return torch.stack(found).mean()


def _periodic(lines: Tensor, scale: int, side: int) -> Tensor:
    """What comes again every `scale` pixels in the rows of (B, C, H, W), `side` times."""
    b, c, h, w = lines.shape
    rows = lines.reshape(b, c * h, w)
    # Two boxes of one LQ pixel leave slopes as they are, and nothing of what is looked for.
    smooth = F.avg_pool1d(F.avg_pool1d(rows, scale, 1), scale, 1)
    detail = rows[..., scale:-scale] - smooth[..., 1:-1]
    places = detail.reshape(b, c * h, w // scale - 2, scale).transpose(2, 3)
    places = places - places.mean(2, keepdim=True)
    return F.avg_pool1d(places.reshape(b, -1, w // scale - 2), side)


def _lines(images: Tensor, step: int | None) -> Iterator[Tensor]:
    """Images (B, C, H, W) whose rows are their lines of each direction; every fourth at a step."""
    directions = [(turned, rise) for turned in (False, True) for rise in _RISES]
    for turned, rise in directions if step is None else directions[step % 4 :: 4]:
        lines = images.mT if turned else images
        yield lines if rise == 0 else _sheared(lines, rise)


def _sheared(images: Tensor, rise: int) -> Tensor:
    """Images whose rows were lines of a slope, a row in `rise` columns; they go on at the edge."""
    height, width = images.shape[2:]
    rows, columns = (torch.arange(n, device=images.device) for n in (height, width))
    whole = torch.div(columns, rise, rounding_mode="floor")
    part = (columns - whole * rise) / rise  # of the way to the next row
    index = (rows[:, None] + whole).remainder(height).expand(images.shape)
    line = images.gather(2, index)
    if abs(rise) == 1:
        return line
    return line.lerp(images.gather(2, (index + 1).remainder(height)), part)
