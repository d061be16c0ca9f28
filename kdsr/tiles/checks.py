"""What may come in, and what may go out: images, masks, result buffers, a network's results."""

import math

import torch
from torch import Tensor

from ..errors import ImageError
from ..floats import extremes, float_problem
from ..memory import check_room

OVERSHOOT = 0.5
"""How far beyond [0, 1] an image may reach: further than sharpening resamplers go (bicubic and
Lanczos by up to 0.3), and less than the other ranges that people use (-1 to 1, 0 to 255)."""


def check_images(lq: Tensor, *, bytes_too: bool = False) -> None:
    """Refuses what is not a batch of RGB images.

    Values may overshoot [0, 1] by `OVERSHOOT`; they are used as they are.

    Args:
        lq: To be checked.
        bytes_too: Whether uint8 is taken, in a quarter of the memory.

    Raises:
        ImageError: Unless `lq` is floating point, (B, 3, H, W), not empty, finite and in range.
    """
    levels = bytes_too and isinstance(lq, Tensor) and lq.dtype == torch.uint8
    if problem := None if levels else float_problem(lq):
        raise ImageError(
            f"expected RGB images as floats in [0, 1], (batch, 3, height, width), {problem}; "
            "divide by 255 first"
        )
    if lq.ndim != 4 or lq.shape[1] != 3:
        raise ImageError(
            f"expected RGB images as (batch, 3, height, width), got shape {tuple(lq.shape)}"
        )
    if 0 in lq.shape:
        raise ImageError(f"the image is empty: shape {tuple(lq.shape)}")
    if not levels:
        _check_range(lq, "the image")


def check_alpha(alpha: Tensor, lq: Tensor) -> None:
    """Refuses what is not the opacity of these images.

    Raises:
        ImageError: Unless `alpha` is floating point, (B, 1, H, W), finite and in range, as images.
    """
    expected = (lq.shape[0], 1, *lq.shape[-2:])
    if problem := float_problem(alpha):
        raise ImageError(f"expected alpha as floats in [0, 1], {problem}")
    if alpha.shape != expected:
        raise ImageError(f"expected alpha of shape {expected}, got {tuple(alpha.shape)}")
    _check_range(alpha, "alpha")


def check_weights(weights: Tensor, what: str) -> Tensor:
    """Masks or regions, in float32; bools and integers count as weights too.

    Args:
        weights: Any shape.
        what: Is said to be at fault.

    Raises:
        ImageError: If a weight is negative, NaN or infinite.
    """
    if isinstance(weights, Tensor) and weights.dtype in (torch.bool, torch.uint8, torch.int64):
        weights = weights.float()
    if problem := float_problem(weights):
        raise ImageError(f"{what} must hold weights of 0 or more, {problem}")
    weights = weights.detach().float()
    low, high = extremes(weights)
    if not (low >= 0 and high < math.inf):
        raise ImageError(f"{what} must hold finite weights of 0 or more, got {low:g} to {high:g}")
    return weights


def check_out(out: Tensor | None, shape: tuple[int, int, int, int], besides: int = 0) -> Tensor:
    """A result buffer on the CPU: `out`, or a new one.

    Args:
        out: What the caller gave.
        shape: It must have.
        besides: Bytes on the CPU that the work will take as well.

    Raises:
        ImageError: If `out` has another shape, place or kind.
        OutOfMemoryError: If there is not as much memory.
    """
    needed = besides + (0 if out is not None else 4 * math.prod(shape))
    check_room(needed, f"a result of {shape[3]} x {shape[2]} px")
    if out is None:
        return torch.empty(shape)
    fits = out.dtype == torch.uint8 or float_problem(out) is None
    if out.shape != shape or not fits or out.device.type != "cpu" or 0 in out.stride():
        raise ImageError(
            f"out must be a float or uint8 tensor of shape {shape} on the CPU with memory for "
            f"each value, got {tuple(out.shape)} {out.dtype} on {out.device}"
        )
    return out


def check_computed(values: Tensor) -> None:
    """Refuses what a network made of an image that was finite, if the result is not.

    Raises:
        ImageError: If a value is NaN or infinite.
    """
    # A sum is the cheapest look at every value: it allocates nothing and keeps NaN and infinity.
    if not math.isfinite(float(values.sum(dtype=torch.float32))):
        raise ImageError(
            "the network's result is not finite although the image is: its numbers became too "
            "large. Use dtype fp32; if that does not help, the model's weights or the IDR are "
            "damaged"
        )


def _check_range(values: Tensor, what: str) -> None:
    low, high = extremes(values)
    if not math.isfinite(low) or not math.isfinite(high):
        raise ImageError(f"{what} has NaN or infinite values; check the step that made it")
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise ImageError(
            f"{what} has values from {low:g} to {high:g}, expected 0 to 1; rescale it (divide "
            "0-255 by 255) or clamp it first"
        )
