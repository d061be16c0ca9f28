"""The one place where floats become bytes: values are rounded to 8 or 16 bits, never truncated."""

import numpy as np
import torch
from torch import Tensor

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
