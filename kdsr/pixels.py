"""Numbers of tensors: finite or not, bytes, highlights above 1."""

import math

import numpy as np
import torch
from torch import Tensor

_FORMATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def float_problem(value: object) -> str | None:
    """Why a value is not a dense tensor of 16 to 64-bit floats; None if it is one."""
    if not isinstance(value, Tensor):
        return f"got {type(value).__name__}"
    if value.is_nested or value.layout != torch.strided:
        return "got a tensor that is not dense"
    if value.is_meta:
        return "got a tensor without values (on the meta device)"
    return None if value.dtype in _FORMATS else f"got {value.dtype}"


def extremes(values: Tensor) -> tuple[float, float]:
    """Smallest and largest value, both NaN if any is; allocates nothing. 0 and 0 of no values."""
    if values.numel() == 0:
        return 0.0, 0.0
    low, high = values.detach().aminmax()
    return float(low), float(high)


def is_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    return all(map(math.isfinite, extremes(values)))


BYTE, WORD = 255, 65535
"""The largest value of 8 and of 16 bits, which is 1.0."""


def levels(values: Tensor, largest: int = BYTE) -> Tensor:
    """Whole numbers from 0 to `largest`, still as floats.

    Args:
        values: Floats; what lies outside of [0, 1] is clamped. Not changed.
        largest: What 1.0 becomes.
    """
    return (values * largest).round_().clamp_(0, largest)


def on_grid(values: Tensor, largest: int = BYTE) -> Tensor:
    """Floats in [0, 1] that `largest` + 1 levels can hold, as if stored and read again."""
    return levels(values, largest) / largest


def to_bytes(values: Tensor) -> Tensor:
    """Floats in [0, 1] of any shape -> uint8 of that shape, on the same device."""
    return levels(values).to(torch.uint8)


def to_words(values: Tensor) -> np.ndarray:
    """Floats in [0, 1] of any shape, on the CPU -> uint16 of that shape."""
    return levels(values, WORD).numpy().astype(np.uint16)


def as_floats(values: Tensor) -> Tensor:
    """Bytes of any shape as floats in [0, 1]; floats as they are."""
    return values.float().div_(BYTE) if values.dtype == torch.uint8 else values


def store(target: Tensor, values: Tensor) -> None:
    """Writes floats into a buffer of any float format, or of uint8 as bytes.

    Args:
        target: Of the shape of `values`, on any device.
        values: Clamped to [0, 1] in place, so that no copy of them is needed.
    """
    values.clamp_(0, 1)
    target.copy_(values.mul_(BYTE).round_() if target.dtype == torch.uint8 else values)


_SLOPE = 1.055 / 2.4  # of the curve of sRGB at 1
_KNEE = 0.0031308


def coded(linear: Tensor, *, curved: bool = False) -> tuple[Tensor, float]:
    """Codes linear light.

    Args:
        linear: 0 or more, of any shape.
        curved: It has a curve already, as pictures on screens do: it is but brought into range.

    Returns:
        Values in [0, 1], float32, and their span: what 1 stands for on the curve. It is 1 for
        images that have nothing beyond white, and more for others.
    """
    curve = linear.float().clone() if curved else _curve(linear.float())
    span = max(1.0, float(curve.max())) if curve.numel() else 1.0
    return curve.div_(span), span


def linear_of(values: Tensor, span: float, *, curved: bool = False) -> Tensor:
    """The inverse of `coded`, float32."""
    curve = values.float() * span
    if curved:
        return curve
    dark = curve / 12.92
    middle = ((curve.clamp_min(0) + 0.055) / 1.055) ** 2.4
    bright = ((curve - 1) / _SLOPE).exp()
    low = torch.where(curve <= 12.92 * _KNEE, dark, middle)
    return torch.where(curve > 1, bright, low)


def shown(values: Tensor, span: float) -> Tensor:
    """What a screen shows of coded values: the curve of sRGB, what is beyond white cut; float32."""
    return (values.float() * span).clamp_(0, 1)


def _curve(linear: Tensor) -> Tensor:
    dark = linear * 12.92
    middle = 1.055 * linear.clamp_min(_KNEE) ** (1 / 2.4) - 0.055
    bright = 1 + _SLOPE * linear.clamp_min(1).log()
    low = torch.where(linear <= _KNEE, dark, middle)
    return torch.where(linear > 1, bright, low)
