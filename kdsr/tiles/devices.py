"""What a device has: free memory, and a number format that is fast and changes nothing visible."""

import os

import torch

from ..errors import ConfigError
from ..memory import free_host_memory
from ..options import DTYPE_NAMES

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Names that the command and the nodes use."""
_DEVICES = ("cpu", "cuda", "mps")  # PyTorch names others, but the networks do not run there
_BF16 = ("avx512_bf16", "amx_bf16")  # as `torch.cpu.get_capabilities` calls them
_PROBES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of a PyTorch without that
_ASSUMED_FREE = 4 << 30  # where the system does not say


def pick_device(name: str) -> torch.device:
    """The device that a name means; auto takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: If it is not there.
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
        # fp16 has three more bits of precision than bf16 at the same speed.
        return torch.float16
    return torch.bfloat16 if multiplies_bf16(device) else torch.float32


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has bf16 instructions; without them bf16 is slower than fp32."""
    if device.type == "cuda":
        # `is_bf16_supported` says yes to cards that compute bf16 by fp32, several times slower.
        return bool(torch.version.hip) or torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
        return any(able.get(name) for name in _BF16)
    return any(getattr(torch.cpu, probe, bool)() for probe in _PROBES)


def free_memory(device: torch.device) -> int:
    """Bytes that a new allocation on `device` may take, by its driver's or system's word."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free = free_host_memory()
    return _guessed_free() if free is None else free


def _guessed_free() -> int:
    """Half of the machine's memory, or a modest number where even that is not said."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError, AttributeError):
        return _ASSUMED_FREE


def release_memory(device: torch.device) -> None:
    """Gives the allocator's unused blocks back, so that smaller ones can be had."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
