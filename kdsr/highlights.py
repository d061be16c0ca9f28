"""Linear light beyond white: a reversible transfer to the [0, 1] that networks know, and back.

Up to 1 it is the curve of sRGB, so that a network sees what it was trained on; above 1 it goes on
as a logarithm, with the same slope, so that highlights keep their relative precision.
"""

import torch
from torch import Tensor

_SLOPE = 1.055 / 2.4  # of the curve of sRGB at 1
_KNEE = 0.0031308


def coded(linear: Tensor) -> tuple[Tensor, float]:
    """Codes linear light.

    Args:
        linear: 0 or more, of any shape.

    Returns:
        Values in [0, 1], float32, and their span: what 1 stands for on the curve. It is 1 for
        images that have nothing beyond white, and more for others.
    """
    curve = _curve(linear.float())
    span = max(1.0, float(curve.max())) if curve.numel() else 1.0
    return curve.div_(span), span


def linear_of(values: Tensor, span: float) -> Tensor:
    """The inverse of `coded`, float32."""
    curve = values.float() * span
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
