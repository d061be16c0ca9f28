"""Random numbers that depend on (seed, step, sample) and on nothing else.

A resumed run, another batch partition or another device draws the same numbers, so no generator
state needs saving.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Streams of one sample that must not share numbers.
PARAMETERS, NOISE, CROPS, POOL, MIX, RESAMPLING, PIPELINE = range(7)
MORE = 16
"""The first of one stream for each of the steps in `train.degradation.more`."""
_MASK = 0xFFFFFFFF


def generator(seed: int, step: int, sample: int, stream: int) -> np.random.Generator:
    """A counter-based generator for one sample of one step."""
    counter = np.array([0, stream, sample, step], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


def uniforms(seed: int, step: int, samples: Sequence[int], count: int) -> Tensor:
    """`count` numbers in [0, 1) for each sample: (B, count), float32, on the CPU."""
    rows = [generator(seed, step, sample, PARAMETERS).random(count) for sample in samples]
    return torch.from_numpy(np.stack(rows)).float()


def noise_seeds(seed: int, step: int, samples: Sequence[int]) -> list[int]:
    """A 63-bit seed for each sample's noise field."""
    return [int(generator(seed, step, sample, NOISE).integers(0, 2**63 - 1)) for sample in samples]


def normals(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """A field of normal numbers for each seed: (B, *shape), on the CPU so that it is the same
    whatever the training device.
    """  # noqa: D205
    fields = torch.empty(len(seeds), *shape)
    for field, seed in zip(fields, seeds, strict=True):
        field.normal_(generator=torch.Generator().manual_seed(seed))
    return fields


def hashed_uniforms(
    seeds: Sequence[int], shape: tuple[int, int, int], device: torch.device
) -> Tensor:
    """A field of uniform numbers for each seed, made on any device, the same on all.

    A number depends on its seed, channel, row and column alone: a smaller field is the corner of a
    larger one. On a CPU `normals` is faster.

    Args:
        seeds: 0 to 2**62, (B).
        shape: (C, H, W); C at most 4, sides less than 2**14.
        device: Where to make them.

    Returns:
        (B, C, H, W), float32, in (0, 1), multiples of 2**-24.
    """
    c, h, w = (torch.arange(n, dtype=torch.int32, device=device) for n in shape)
    counter = (c[:, None, None] << 28) | (h[:, None] << 14) | w
    words = [((s & _MASK) - ((s & 0x80000000) << 1), s >> 32) for s in seeds]
    low, high = torch.tensor(words, dtype=torch.int32).to(device).T[..., None, None, None]
    low = _mixed(low)
    bits = _mixed(_mixed(counter ^ low) + _mixed(high ^ _mixed(low)))
    return (((bits >> 9) & 0x7FFFFF) + 0.5) * 2.0**-23


def hashed_normals(
    seeds: Sequence[int], shape: tuple[int, int, int], device: torch.device
) -> Tensor:
    """Normal numbers from `hashed_uniforms`."""
    return torch.erfinv(2 * hashed_uniforms(seeds, shape, device) - 1) * math.sqrt(2)


def _mixed(x: Tensor) -> Tensor:
    """A hash of 32-bit numbers: Wellons' "lowbias32". Products wrap; shifts are made logical."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x7FEB352D
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * (0x846CA68B - 2**32)
    return x ^ ((x >> 16) & 0xFFFF)
