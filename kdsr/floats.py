"""What every tensor that comes from outside must be: ordinary floating-point numbers."""

import math

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
