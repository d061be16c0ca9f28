"""Grows a trained network into a larger one with the same output.

Deviation: the paper trains every size from random weights. Here a larger network can start from a
trained smaller one, as in Net2Net (Chen et al., ICLR 2016). Before its first step it computes the
same picture for every image; its additional weights learn from there.
"""

import re

import torch
from torch import Tensor

from kdsr import KDSR, KDSRConfig, KDSRTeacher

_BLOCK = re.compile(r"(network|estimator)\.blocks\.(\d+)\.(.+)")
_LAST = {"network": "conv", "estimator": "conv2"}  # last layer of a block's residual branch


def can_grow(old: KDSRConfig, new: KDSRConfig) -> bool:
    """Whether `grow` can turn a network of shape `old` into one of shape `new`."""
    return (
        old != new
        and old.scale == new.scale
        and old.n_feats <= new.n_feats
        and old.n_blocks <= new.n_blocks
    )


@torch.no_grad()
def grow(source: KDSR | KDSRTeacher, fresh: KDSR | KDSRTeacher) -> None:
    """Writes a smaller network into a larger one, which then computes the same output.

    The output is the same if the larger estimator has at least as many blocks. Otherwise it keeps
    evenly spread blocks and has to learn its IDR anew.

    Channels of the smaller network come first, and its blocks are spread evenly. New channels read
    all others, but nothing reads them yet. New blocks add nothing to the old channels yet. These
    weights are zero, but their gradients are not.

    Args:
        source: The smaller network.
        fresh: The larger network of the same kind with random weights; changed in place.
            `can_grow` must hold for the two.
    """
    old, new = source.config, fresh.config
    places = {
        "network": _places(old.n_blocks, new.n_blocks),
        "estimator": _places(old.n_resblocks, new.n_resblocks),
    }
    smaller = source.state_dict()
    for name, tensor in fresh.state_dict().items():
        block = _BLOCK.fullmatch(name)
        if block is None:
            _write(tensor, smaller[name])
            continue
        part, place, inside = block[1], int(block[2]), block[3]
        if place in places[part]:
            _write(tensor, smaller[f"{part}.blocks.{places[part][place]}.{inside}"])
        elif inside.split(".")[0] == _LAST[part]:
            tensor[: old.n_feats] = 0


def _places(old: int, new: int) -> dict[int, int]:
    """Spreads `old` blocks evenly over `new` places: {place: number of the old block}."""
    if new < old:
        return {index: (2 * index + 1) * old // (2 * new) for index in range(new)}
    return {(2 * index + 1) * new // (2 * old): index for index in range(old)}


def _write(tensor: Tensor, smaller: Tensor) -> None:
    """Writes a smaller tensor into the corner of a larger one; its outputs ignore new inputs."""
    tensor[: len(smaller)] = 0
    tensor[tuple(slice(length) for length in smaller.shape)] = smaller
