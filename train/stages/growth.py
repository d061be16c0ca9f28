"""A larger network that starts as a smaller one, trained already.

Deviation: the paper trains every size from nothing. Here a larger one can start where a small one
ended: as in Net2Net (Chen et al., ICLR 2016) it gives the same picture for every image before its
first step, and all of what it has more can be learnt from there.
"""

import re

import torch
from torch import Tensor

from kdsr import KDSR, KDSRConfig, KDSRTeacher

_BLOCK = re.compile(r"(network|estimator)\.blocks\.(\d+)\.(.+)")
_LAST = {"network": "conv", "estimator": "conv2"}  # what a block adds to its input comes from here


def can_grow(old: KDSRConfig, new: KDSRConfig) -> bool:
    """Whether `grow` makes a network of shape `new` from one of `old`."""
    return (
        old != new
        and old.scale == new.scale
        and old.n_feats <= new.n_feats
        and old.n_blocks <= new.n_blocks
    )


@torch.no_grad()
def grow(source: KDSR | KDSRTeacher, fresh: KDSR | KDSRTeacher) -> None:
    """Writes a smaller network into a larger one, which then computes what the smaller one does.

    That is so where the estimator has no fewer blocks than before. Where it has, evenly spread ones
    stay, and it has to learn anew what it said.

    Channels of the smaller one come first, its blocks are spread evenly over the larger one's.
    Channels that are new read all others, and nothing reads them yet; blocks that are new add
    nothing to the old channels yet. These weights are zero, their gradients are not.

    Args:
        source: The smaller one.
        fresh: The larger one, of the same kind, as it would start from nothing; changed in place.
            `can_grow` holds for the two.
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
    """Places among `new` blocks where the `old` ones stand, spread evenly -> which of them."""
    if new < old:
        return {index: (2 * index + 1) * old // (2 * new) for index in range(new)}
    return {(2 * index + 1) * new // (2 * old): index for index in range(old)}


def _write(tensor: Tensor, smaller: Tensor) -> None:
    """The first outputs are the smaller one's, of its inputs alone."""
    tensor[: len(smaller)] = 0
    tensor[tuple(slice(length) for length in smaller.shape)] = smaller
