"""Weights in 8 bits: a row of a block's kernels as whole numbers of one step (weight-only int8)."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..safetensors_files import read_safetensors

SCALE = ".scale"
"""Behind the name of an int8 tensor: the steps of its rows, bfloat16."""

_BLOCKS = "network.blocks."
"""What is stored so: 70% of the weights of size m, and the least sensitive ones. The estimator
stays as it is, and with it the meaning of its IDRs."""
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
    """What `save_checkpoint` wrote a safetensors file in; int8 if `quantize` was at work."""
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
