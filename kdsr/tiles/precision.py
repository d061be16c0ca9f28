"""Which number format a device runs fast without changing what people see."""

import torch

from ..errors import ConfigError
from ..options import DTYPE_NAMES

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Names that the command and the nodes use."""


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
    if hasattr(torch.cpu, "get_capabilities"):  # PyTorch 2.11
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)
