"""Tensors of files as weights: read, freed of quantization, checked."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import read_safetensors
from ..errors import CheckpointError, reading
from ..pixels import extremes, float_problem

SCALE = ".scale"
"""Behind the name of an int8 tensor: the steps of its rows, bfloat16."""

_BLOCKS = "network.blocks."
"""Prefix of the quantised tensors: 70% of the weights of size m, and the least sensitive ones.
The estimator stays unchanged, and so its IDRs keep their meaning."""
_LARGEST = 127


def quantize(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rounds the kernels and matrices of the network's blocks to int8, the others to float16.

    Each value moves by at most half a step, its row's largest magnitude / 127. What `dequantize`
    gives of it is stored without any further loss.

    Args:
        state: A student's or teacher's tensors by our names.
    """
    stored = {key: tensor.half() for key, tensor in state.items()}
    for key, tensor in state.items():
        if key.startswith(_BLOCKS) and tensor.ndim > 1:
            # A step of 8 significant bits: its multiples up to 127 are exact in float32.
            step = tensor.flatten(1).abs().amax(1).div(_LARGEST).bfloat16()
            whole = tensor / _along_rows(step.where(step > 0, 1), tensor.ndim)
            stored[key] = whole.round().clamp(-_LARGEST, _LARGEST).to(torch.int8)
            stored[key + SCALE] = step
    return stored


def stored_dtype(path: Path) -> torch.dtype:
    """Dtype that `save_checkpoint` used for a safetensors file; int8 after `quantize`."""
    dtypes = {key: tensor.dtype for key, tensor in read_safetensors(path)[0].items()}
    return torch.int8 if torch.int8 in dtypes.values() else dtypes["network.head.weight"]


def dequantize(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file, those of int8 in float32 and without their steps beside them.

    Raises:
        CheckpointError: If there is not one step for each row.
    """
    weights = dict(state)
    for key, tensor in state.items():
        if tensor.dtype != torch.int8 or key + SCALE not in state:
            continue
        step = weights.pop(key + SCALE)
        if tensor.ndim < 2 or step.shape != tensor.shape[:1] or not step.is_floating_point():
            raise CheckpointError(
                f"{key} needs one step for each row, a tensor of floats of shape "
                f"{tuple(tensor.shape[:1])}; {key}{SCALE} is {step.dtype} of {tuple(step.shape)}"
            )
        weights[key] = tensor.float() * _along_rows(step, tensor.ndim)
    return weights


def _along_rows(step: Tensor, ndim: int) -> Tensor:
    return step.float().reshape(-1, *[1] * (ndim - 1))


_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")
"""Keys under which checkpoints hold their tensors; averaged weights first."""
_PREFIXES = re.compile(r"(?:module\.|_orig_mod\.)+")
"""Prefixes that DataParallel and `torch.compile` add to every name."""
LARGEST_WEIGHT = 1e6
"""Beyond any trained weight (theirs are below 10): a flipped bit makes about 1e36 of one."""


_CODE = re.compile(
    r"unsupported (global|class)|unrecognized function|can only (create|build)", re.I
)
"""PyTorch's message about a pickle with more than tensors; random bytes do not cause it."""


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a file's tensors and string metadata.

    Every tensor is dense, on the CPU and of 16 to 64-bit floats (what is stored in int8, too); its
    values are not looked at.

    Args:
        path: `.safetensors`, or a pickle with any other suffix, opened with `weights_only=True`.

    Raises:
        CheckpointError: If the file is missing, damaged, of another format or holds code.
    """
    if path.suffix == ".safetensors":
        with reading(path, CheckpointError, "not a readable safetensors file"):
            tensors, metadata = read_safetensors(path)
            return _checked(dequantize(_unwrapped(tensors))), metadata
    with reading(path, CheckpointError, "the file is truncated or not a PyTorch checkpoint"):
        return _checked(_read_pickle(path)), {}


def as_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors in float32, each with memory of its own.

    Raises:
        CheckpointError: If one holds NaN, infinity or what no training gives.
    """
    for key, tensor in state.items():
        low, high = extremes(tensor)
        if not (low >= -LARGEST_WEIGHT and high <= LARGEST_WEIGHT):  # false for NaN
            raise CheckpointError(
                f"{key} holds values from {low:g} to {high:g}, where weights are finite and small: "
                "the file is damaged or its training diverged"
            )
    return {
        key: tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for key, tensor in state.items()
    }


def _read_pickle(path: Path) -> Any:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _CODE.search(str(error)):
            raise CheckpointError(
                "the pickle holds more than tensors and was not opened, because it could run "
                "code; ask its author for safetensors or a plain state dict"
            ) from None
        raise CheckpointError("not a PyTorch checkpoint, or a damaged one") from None
    return _unwrapped(loaded)


def _unwrapped(loaded: Any) -> Any:
    """The tensors themselves, by names without what wrappers of training put around them."""
    while isinstance(loaded, dict):
        inner = next((loaded[key] for key in _WRAPPERS if isinstance(loaded.get(key), dict)), None)
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        return loaded
    found = [_PREFIXES.match(key) for key in loaded]
    prefix = found[0][0] if found and found[0] else ""
    if not all(key.startswith(prefix) for key in loaded):
        return loaded
    return {key.removeprefix(prefix): value for key, value in loaded.items()}


def _checked(state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict):
        raise CheckpointError(f"expected a state dict of tensors, got {type(state).__name__}")
    for key, value in state.items():
        if not isinstance(key, str):
            raise CheckpointError(f"expected tensors with names, got the key {key!r}")
        if problem := float_problem(value):
            raise CheckpointError(f"expected {key} as a tensor of floats, {problem}")
    return state
