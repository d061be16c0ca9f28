"""Adds parallel branches to 3x3 convolutions during training: a 1x1 convolution and a skip.

As in RepVGG (Ding et al., CVPR 2021), but without batch norm, the sum of the branches is one 3x3
convolution. Deviation: not in the paper. The branches are summed as kernels in every step, so that
steps cost no more than without them; files hold only the sum.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from kdsr import KDSR, KDSRTeacher


class Branches(nn.Module):
    """Adds a 1x1 kernel and a per-channel skip to a kernel (C, C, 3, 3).

    Both start at zero, so that the network is unchanged at first.

    Args:
        channels: Number of channels C.
    """

    eye: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.zeros(channels, channels, 1, 1))
        self.skip = nn.Parameter(torch.zeros(channels))
        self.register_buffer("eye", torch.eye(channels), persistent=False)

    def forward(self, kernel: Tensor) -> Tensor:
        """Sums the three branches into one kernel (C, C, 3, 3)."""
        middle = self.point + (self.skip[:, None] * self.eye)[..., None, None]
        return kernel + F.pad(middle, (1, 1, 1, 1))


def add_branches(model: KDSR | KDSRTeacher) -> None:
    """Adds branches to every block's convolution and to the body's last one, in place."""
    for convolution in _convolutions(model):
        parametrize.register_parametrization(
            convolution, "weight", Branches(convolution.out_channels)
        )


def merge_branches(model: KDSR | KDSRTeacher) -> None:
    """Replaces branches by their sum, in place; does nothing without branches."""
    for convolution in _convolutions(model):
        if parametrize.is_parametrized(convolution, "weight"):
            parametrize.remove_parametrizations(convolution, "weight", leave_parametrized=True)


def _convolutions(model: KDSR | KDSRTeacher) -> list[nn.Conv2d]:
    found = [block.get_submodule("conv") for block in model.network.blocks]
    return [layer for layer in (*found, model.network.fuse) if isinstance(layer, nn.Conv2d)]
