"""A block of the network in two passes over memory instead of four, where PyTorch can do that.

On a CPU in bf16 the activation and the sum of a block take as long as its convolutions: they wait
for memory. oneDNN does them while it convolves, from float32 sums, which also rounds less often.
PyTorch's own compiler uses these operations; they have no public name.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import LEAK

_ONES = [1, 1]


def can_fuse(weight: Tensor) -> bool:
    """Whether blocks with such weights may run by `fused_block`: bf16 on a CPU that knows it."""
    ops = torch.ops.mkldnn
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and hasattr(ops, "_convolution_pointwise")
        and hasattr(ops, "_is_mkldnn_bf16_supported")
        and bool(ops._is_mkldnn_bf16_supported())
    )


def fused_block(depthwise: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """A block, x + conv(LReLU(depthwise(x))), (B, C, H, W); see `can_fuse`. No gradients."""
    kernels, weight = depthwise.get_parameter("weight"), conv.get_parameter("weight")
    ops = torch.ops.mkldnn._convolution_pointwise
    y = ops(x, kernels, None, _ONES, _ONES, _ONES, len(kernels), "leaky_relu", [LEAK], "")
    bias = conv.get_parameter("bias")
    return ops.binary(y, x, weight, bias, _ONES, _ONES, _ONES, 1, "add", 1.0, None, [], None)


def plain_block(depthwise: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """The same anywhere."""
    return conv(F.leaky_relu_(depthwise(x), LEAK)).add_(x)
