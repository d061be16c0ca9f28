"""What estimating and upscaling share: tile windows cut out of images, and ways to be asked."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..errors import Cancelled
from .plan import AxisPlan, Span

ProgressFn = Callable[[int, int], None]
"""Called with (steps done, steps in all) after each step."""
CancelledFn = Callable[[], bool]
"""Asked before each step; True raises `kdsr.Cancelled`."""


class Axes(Protocol):
    """Where windows lie along either axis, such as a `TilePlan`."""

    @property
    def rows(self) -> AxisPlan:
        """Along the height."""
        ...

    @property
    def columns(self) -> AxisPlan:
        """Along the width."""
        ...


def cut_windows(
    images: Tensor, plan: Axes, tiles: list[tuple[int, Span, Span]], like: Tensor
) -> Tensor:
    """Cuts the windows of some tiles out of the images.

    Args:
        images: (B, C, H, W).
        plan: Where the windows lie.
        tiles: (image index, row span, column span) of each.
        like: Gives the device and dtype of the result.

    Returns:
        (tiles, C, window height, window width), channels_last: convolutions run faster on it.
    """
    windows = []
    for index, row, column in tiles:
        rows = torch.tensor(plan.rows.source(row), device=images.device)
        columns = torch.tensor(plan.columns.source(column), device=images.device)
        windows.append(images[index][:, rows[:, None], columns])
    return torch.stack(windows).to(like.device, like.dtype, memory_format=torch.channels_last)


def ask_cancelled(cancelled: CancelledFn | None) -> None:
    """Raises `Cancelled` if the caller asks to stop."""
    if cancelled is not None and cancelled():
        raise Cancelled("stopped on request")
