"""Pixels: checks of images and buffers, bytes, highlights above 1, resizing, hidden colours."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ImageError, check_room
from .options import Size

_FORMATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def float_problem(value: object) -> str | None:
    """Describes why a value is no dense tensor of 16 to 64-bit floats; None if it is one."""
    if not isinstance(value, Tensor):
        return f"got {type(value).__name__}"
    if value.is_nested or value.layout != torch.strided:
        return "got a tensor that is not dense"
    if value.is_meta:
        return "got a tensor without values (on the meta device)"
    return None if value.dtype in _FORMATS else f"got {value.dtype}"


def extremes(values: Tensor) -> tuple[float, float]:
    """Smallest and largest value, both NaN if any is; 0 and 0 for an empty tensor."""
    if values.numel() == 0:
        return 0.0, 0.0
    low, high = values.detach().aminmax()
    return float(low), float(high)


def is_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    return all(map(math.isfinite, extremes(values)))


OVERSHOOT = 0.5
"""Accepted overshoot beyond [0, 1]: more than resamplers produce (up to 0.3 with bicubic and
Lanczos), and less than other common ranges have (-1 to 1, 0 to 255)."""


def check_images(lq: Tensor, *, bytes_too: bool = False) -> None:
    """Raises an error unless `lq` is a batch of RGB images.

    Values may overshoot [0, 1] by `OVERSHOOT`; they are used unchanged.

    Args:
        lq: Images to check.
        bytes_too: Whether to accept uint8, which needs a quarter of the memory.

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
    """Raises an error unless `alpha` is the opacity of images `lq`.

    Raises:
        ImageError: Unless `alpha` is floating point, (B, 1, H, W), finite and in range.
    """
    expected = (lq.shape[0], 1, *lq.shape[-2:])
    if problem := float_problem(alpha):
        raise ImageError(f"expected alpha as floats in [0, 1], {problem}")
    if alpha.shape != expected:
        raise ImageError(f"expected alpha of shape {expected}, got {tuple(alpha.shape)}")
    _check_range(alpha, "alpha")


def check_weights(weights: Tensor, what: str) -> Tensor:
    """Checks the weights of masks or regions; returns them in float32.

    Args:
        weights: Weights of any shape; bools and integers are accepted.
        what: Name of the weights, for the message.

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
    """Checks the result buffer `out`, or allocates one on the CPU.

    Args:
        out: The caller's buffer, or None.
        shape: Required shape.
        besides: Further bytes on the CPU that the work will need.

    Raises:
        ImageError: If `out` has another shape, device or dtype.
        OutOfMemoryError: If memory is too small for buffer and work.
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
    """Raises an error if a network's result is not finite.

    Raises:
        ImageError: If a value is NaN or infinite.
    """
    # A sum is the cheapest test: it allocates nothing and propagates NaN and infinity.
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


BYTE, WORD = 255, 65535
"""Largest values of 8 and of 16 bits, which stand for 1.0."""


def levels(values: Tensor, largest: int = BYTE) -> Tensor:
    """Scales and rounds values to whole numbers from 0 to `largest`, as floats.

    Args:
        values: Floats, which are clamped to [0, 1]; the tensor is not changed.
        largest: Level of 1.0.
    """
    return (values * largest).round_().clamp_(0, largest)


def on_grid(values: Tensor, largest: int = BYTE) -> Tensor:
    """Rounds floats in [0, 1] to `largest` + 1 levels, as storing and reading would."""
    return levels(values, largest) / largest


def to_bytes(values: Tensor) -> Tensor:
    """Converts floats in [0, 1] of any shape to uint8, on the same device."""
    return levels(values).to(torch.uint8)


def to_words(values: Tensor) -> np.ndarray:
    """Converts floats in [0, 1] of any shape on the CPU to uint16."""
    return levels(values, WORD).numpy().astype(np.uint16)


def as_floats(values: Tensor) -> Tensor:
    """Converts bytes of any shape to floats in [0, 1]; returns floats unchanged."""
    return values.float().div_(BYTE) if values.dtype == torch.uint8 else values


def store(target: Tensor, values: Tensor) -> None:
    """Writes floats into a buffer of any float format, or of uint8 as bytes.

    Args:
        target: Buffer with the shape of `values`, on any device.
        values: Clamped to [0, 1] in place, so that no copy of them is needed.
    """
    values.clamp_(0, 1)
    target.copy_(values.mul_(BYTE).round_() if target.dtype == torch.uint8 else values)


_SLOPE = 1.055 / 2.4  # of the curve of sRGB at 1
_KNEE = 0.0031308


def coded(linear: Tensor, *, curved: bool = False) -> tuple[Tensor, float]:
    """Encodes linear light by a reversible curve.

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
    """Inverts `coded`; returns float32."""
    curve = values.float() * span
    if curved:
        return curve
    dark = curve / 12.92
    middle = ((curve.clamp_min(0) + 0.055) / 1.055) ** 2.4
    bright = ((curve - 1) / _SLOPE).exp()
    low = torch.where(curve <= 12.92 * _KNEE, dark, middle)
    return torch.where(curve > 1, bright, low)


def shown(values: Tensor, span: float) -> Tensor:
    """Converts coded values to display values: the sRGB curve, clipped at white; float32."""
    return (values.float() * span).clamp_(0, 1)


def _curve(linear: Tensor) -> Tensor:
    dark = linear * 12.92
    middle = 1.055 * linear.clamp_min(_KNEE) ** (1 / 2.4) - 0.055
    bright = 1 + _SLOPE * linear.clamp_min(1).log()
    low = torch.where(linear <= _KNEE, dark, middle)
    return torch.where(linear > 1, bright, low)


_BUFFER_VALUES = 64 << 20  # of the full-size frames that exist at a time when downscaling
_REACH = 16  # output pixels; more than bicubic filters see past an edge


def resize(images: Tensor, size: Size, wrap: tuple[bool, bool]) -> Tensor:
    """Resizes with an antialiased bicubic filter, which may overshoot the range of the input.

    Args:
        images: Float, (B, C, H, W).
        size: Size of the result.
        wrap: Continue the image circularly along (width, height).
    """
    own = Size.of(images)
    if size == own:
        return images
    across, to_across = _wrap_pads(own.width, size.width) if wrap[0] else (0, 0)
    down, to_down = _wrap_pads(own.height, size.height) if wrap[1] else (0, 0)
    rows = torch.arange(-down, own.height + down, device=images.device) % own.height
    columns = torch.arange(-across, own.width + across, device=images.device) % own.width
    if down or across:
        images = images[..., rows[:, None], columns]
    padded = (size.height + 2 * to_down, size.width + 2 * to_across)
    resized = F.interpolate(images, padded, mode="bicubic", align_corners=False, antialias=True)
    rows = slice(to_down, to_down + size.height)
    return resized[..., rows, to_across : to_across + size.width]


def bleed(colour: Tensor, alpha: Tensor) -> Tensor:
    """Fills hidden pixels with the colours of visible neighbours.

    Args:
        colour: Straight (not premultiplied), (B, 3, H, W).
        alpha: (B, 1, H, W); pixels where it is 0 are replaced.
    """
    hidden = alpha <= 0
    if not hidden.any() or hidden.all():
        return colour
    return torch.where(hidden, _fill(colour * alpha, alpha), colour)


def _fill(premultiplied: Tensor, alpha: Tensor) -> Tensor:
    """Averages over ever larger neighbourhoods, until each has something visible."""
    colour = premultiplied / alpha.clamp_min(1e-8)
    height, width = alpha.shape[-2:]
    if max(height, width) == 1:
        return colour
    coarse = [
        F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (premultiplied, alpha)
    ]
    below = F.interpolate(_fill(*coarse), (height, width), mode="nearest")
    return torch.where(alpha > 0, colour, below)


def _wrap_pads(length: int, target: int) -> tuple[int, int]:
    """Padding at each end before and after resizing, in the exact ratio of the sizes."""
    common = math.gcd(length, target)
    before, after = length // common, target // common
    times = math.ceil(_REACH / after) if before < length else 1
    return before * times, after * times


def resizing_bytes(full: Size, size: Size) -> int:
    """Peak memory of resizing one frame: before, halfway (axis after axis) and after.

    Args:
        full: Size of the network's result.
        size: Size of the final frame.
    """
    pixels = full.pixels
    if size != full:
        pixels += full.height * size.width + size.pixels
    return 4 * 3 * pixels


def group_of(frames: int, full: Size) -> int:
    """Number of frames to resize at a time, so that their full-size results fit into a buffer."""
    return min(frames, max(1, _BUFFER_VALUES // (3 * full.pixels)))
