"""Checks of images, masks and result buffers; device, dtype and free memory."""

import math
import os

import torch
from torch import Tensor

from ..errors import ConfigError, ImageError, check_room, free_host_memory
from ..options import DTYPE_NAMES
from ..pixels import extremes, float_problem

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


DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Dtypes by the names that the command and the nodes use."""
_DEVICES = ("cpu", "cuda", "mps")  # PyTorch has others, on which the networks do not run
_BF16 = ("avx512_bf16", "amx_bf16")  # names in `torch.cpu.get_capabilities`
_PROBES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # for older PyTorch
_ASSUMED_FREE = 4 << 30  # bytes, if the system does not report its memory


def pick_device(name: str) -> torch.device:
    """Finds a device by name; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: If the device does not exist.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in _DEVICES:
            raise ConfigError(
                f"device {name!r} is not supported; use {', '.join(_DEVICES)} or auto"
            )
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigError(f"device {name!r} is not available here; use cpu or auto") from None
    return device


def pick_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Resolves a dtype name for a device.

    Args:
        dtype: "auto", "fp32", "fp16" (CUDA only), "bf16", or the torch dtype.
        device: Where the network runs.

    Raises:
        ConfigError: If the name is unknown or the device cannot run it.
    """
    if dtype == "auto":
        return _fast_dtype(device)
    picked = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if picked not in DTYPES.values():
        names = ", ".join(DTYPE_NAMES)
        raise ConfigError(f"unknown dtype {dtype!r}; choose one of {names}")
    assert isinstance(picked, torch.dtype)
    if picked == torch.float16 and device.type != "cuda":
        raise ConfigError(f"fp16 needs a CUDA device, the model is on {device.type}; use bf16")
    return picked


def _fast_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        # fp16 is as fast as bf16 and has three more bits of precision.
        return torch.float16
    return torch.bfloat16 if multiplies_bf16(device) else torch.float32


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has bf16 instructions; without them bf16 is slower than fp32."""
    if device.type == "cuda":
        # `is_bf16_supported` includes cards that emulate bf16 in fp32, several times slower.
        return bool(torch.version.hip) or torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
        return any(able.get(name) for name in _BF16)
    return any(getattr(torch.cpu, probe, bool)() for probe in _PROBES)


def free_memory(device: torch.device) -> int:
    """Free memory for new allocations on `device` in bytes, as driver or system report it."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free = free_host_memory()
    return _guessed_free() if free is None else free


def _guessed_free() -> int:
    """Half of the machine's memory, or a modest constant if its size is unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError, AttributeError):
        return _ASSUMED_FREE


def release_memory(device: torch.device) -> None:
    """Returns the allocator's unused blocks, so that other sizes can be allocated."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
