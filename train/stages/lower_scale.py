"""Turns a trained network into one of a lower scale, which starts with the shrunk picture.

Deviation: the paper trains every scale from random weights. The tail is linear, so a mean over
blocks of pixels is one more linear step, and a shorter tail can hold most of both.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from kdsr import KDSR, KDSRConfig


def can_lower(old: KDSRConfig, scale: int) -> bool:
    """Whether `lower_scale` can turn a network of shape `old` into one of `scale`."""
    return scale < old.scale and (scale == 1 or (scale, old.scale) == (2, 4))


@torch.no_grad()
def lower_scale(source: KDSR, scale: int) -> KDSR:
    """Builds a network whose result is nearly that of `source`, shrunk to `scale` by block means.

    Estimator, body and first layers of the tail are the same. Its last convolution takes the place
    of all that follows in `source` and of the mean. That has a kernel of 5 x 5; the outer weights
    are added to their neighbours, so that flat areas keep their colours.

    Args:
        source: The student to start from; not changed.
        scale: Scale of the new network. `can_lower` must hold for the two.
    """
    lower = KDSR(replace(source.config, scale=scale))
    state, old = lower.state_dict(), source.state_dict()
    for name, tensor in state.items():
        if not name.startswith("network.tail.out."):
            tensor.copy_(old[name])
    kernel, bias = _rest(source, scale)
    state["network.tail.out.weight"].copy_(_folded(kernel))
    state["network.tail.out.bias"].copy_(bias)
    lower.source = source.source
    return lower


def _rest(source: KDSR, scale: int) -> tuple[Tensor, Tensor]:
    """Composes the layers that the lower tail lacks, and a block mean, by their impulse responses.

    Returns:
        Kernel (3, C, 5, 5) and bias (3,).
    """
    tail, kept = source.network.tail, int(scale > 1)

    def rest(x: Tensor) -> Tensor:
        for convolution, step in list(zip(tail.up, tail.steps, strict=True))[kept:]:
            x = F.pixel_shuffle(convolution(x), step)
        return F.avg_pool2d(tail.out(x), source.config.scale // scale)

    impulses = torch.zeros(tail.n_feats, tail.n_feats, 9, 9)
    impulses[range(tail.n_feats), range(tail.n_feats), 4, 4] = 1
    silence = rest(torch.zeros(1, tail.n_feats, 9, 9))
    # A convolution's weights are its impulse response, turned by half a turn.
    kernel = (rest(impulses) - silence)[:, :, 2:7, 2:7].flip(2, 3).transpose(0, 1)
    return kernel, silence[0, :, 4, 4]


def _folded(kernel: Tensor) -> Tensor:
    """Adds the outer weights of a 5 x 5 kernel to their neighbours: 3 x 3."""
    for dim in (2, 3):
        first, second, middle, fourth, last = kernel.unbind(dim)
        kernel = torch.stack((first + second, middle, fourth + last), dim)
    return kernel
