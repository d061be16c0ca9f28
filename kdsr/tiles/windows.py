"""What estimating and upscaling share: checked input, and tile windows cut out of it."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import Cancelled, ImageError
from .plan import Span, TilePlan

ProgressFn = Callable[[int, int], None]
"""Called with (steps done, steps in all) after each step."""
CancelledFn = Callable[[], bool]
"""Asked before each step; True raises `kdsr.Cancelled`."""


def check_images(lq: Tensor) -> None:
    """Refuses what is not a batch of RGB images.

    Raises:
        ImageError: Unless `lq` is floating point, (B, 3, H, W), not empty and finite.
    """
    if lq.ndim != 4 or lq.shape[1] != 3:
        raise ImageError(
            f"expected RGB images as (batch, 3, height, width), got shape {tuple(lq.shape)}"
        )
    if 0 in lq.shape:
        raise ImageError(f"the image is empty: shape {tuple(lq.shape)}")
    if not lq.is_floating_point():
        raise ImageError(f"expected float values in [0, 1], got {lq.dtype}; divide by 255 first")
    # One frame at a time: isfinite allocates as much as it reads.
    if not all(bool(torch.isfinite(frame).all()) for frame in lq):
        raise ImageError("the image has NaN or infinite values; check the step that made it")


def check_out(out: Tensor | None, shape: tuple[int, int, int, int]) -> Tensor:
    """A result buffer on the CPU: `out`, or a new one.

    Raises:
        ImageError: If `out` has another shape, place or kind.
    """
    if out is None:
        return torch.empty(shape)
    right_dtype = out.is_floating_point() or out.dtype == torch.uint8
    if out.shape != shape or not right_dtype or out.device.type != "cpu":
        raise ImageError(
            f"out must be a float or uint8 tensor of shape {shape} on the CPU, "
            f"got {tuple(out.shape)} {out.dtype} on {out.device}"
        )
    return out


def cut_windows(
    images: Tensor, plan: TilePlan, tiles: list[tuple[int, Span, Span]], like: Tensor
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
