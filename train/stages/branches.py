"""Branches beside 3x3 convolutions while they are trained: a 1x1 convolution, and the input itself.

Ding et al., "RepVGG", CVPR 2021, without batch norm: a sum of linear maps is one 3x3 convolution
again. Deviation: not in the paper. Here the sum is one of kernels, made anew in every step, so that
a step costs what it costs without; files hold the sum alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from kdsr import KDSR, KDSRTeacher


class Branches(nn.Module):
    """Adds a 1x1 kernel and a share of the input itself to a kernel (C, C, 3, 3).

    Both start at nothing: the network is what it was until they are learnt.

    Args:
        channels: C.
    """

    eye: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.zeros(channels, channels, 1, 1))
        self.skip = nn.Parameter(torch.zeros(channels))
        self.register_buffer("eye", torch.eye(channels), persistent=False)

    def forward(self, kernel: Tensor) -> Tensor:
        """The kernel that stands for all three branches."""
        middle = self.point + (self.skip[:, None] * self.eye)[..., None, None]
        return kernel + F.pad(middle, (1, 1, 1, 1))


def add_branches(model: KDSR | KDSRTeacher) -> None:
    """Gives every block's convolution, and the one that closes the body, its branches; in place."""
    for convolution in _convolutions(model):
        parametrize.register_parametrization(
            convolution, "weight", Branches(convolution.out_channels)
        )


def merge_branches(model: KDSR | KDSRTeacher) -> None:
    """Puts the sum of its branches in the place of each, in place; does nothing where none are."""
    for convolution in _convolutions(model):
        if parametrize.is_parametrized(convolution, "weight"):
            parametrize.remove_parametrizations(convolution, "weight", leave_parametrized=True)


def _convolutions(model: KDSR | KDSRTeacher) -> list[nn.Conv2d]:
    found = [block.get_submodule("conv") for block in model.network.blocks]
    return [layer for layer in (*found, model.network.fuse) if isinstance(layer, nn.Conv2d)]
