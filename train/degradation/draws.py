"""Random numbers that are a function of (seed, step, sample) alone.

They do not depend on resuming, on how a batch is divided, or on the device. Checkpoints therefore
hold no generator state.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Independent streams of random numbers for one sample.
PARAMETERS, NOISE, CROPS, POOL, MIX, RESAMPLING, PIPELINE = range(7)
MORE = 16
"""First stream of the steps in `train.degradation.more`, which have one each."""
_MASK = 0xFFFFFFFF


def generator(seed: int, step: int, sample: int, stream: int) -> np.random.Generator:
    """The counter-based generator of one stream of a sample in a step."""
    counter = np.array([0, stream, sample, step], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


def uniforms(seed: int, step: int, samples: Sequence[int], count: int) -> Tensor:
    """Draws `count` numbers in [0, 1) for each sample: (B, count), float32, on the CPU."""
    rows = [generator(seed, step, sample, PARAMETERS).random(count) for sample in samples]
    return torch.from_numpy(np.stack(rows)).float()


def noise_seeds(seed: int, step: int, samples: Sequence[int]) -> list[int]:
    """Draws a 63-bit seed for each sample's noise field."""
    return [int(generator(seed, step, sample, NOISE).integers(0, 2**63 - 1)) for sample in samples]


def normals(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Draws standard normal fields (B, *shape), one for each seed.

    They are made on the CPU, and so are the same for every training device.
    """
    fields = torch.empty(len(seeds), *shape)
    for field, seed in zip(fields, seeds, strict=True):
        field.normal_(generator=torch.Generator().manual_seed(seed))
    return fields


def hashed_uniforms(
    seeds: Sequence[int], shape: tuple[int, int, int], device: torch.device
) -> Tensor:
    """Makes uniform fields, one for each seed, with the same numbers on every device.

    A number depends on its seed, channel, row and column alone, so that a smaller field is the
    corner of a larger one. On a CPU, `normals` is faster.

    Args:
        seeds: Seeds from 0 to 2**62, (B).
        shape: Shape (C, H, W) of a field; C at most 4, sides less than 2**14.
        device: Device of the result.

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
    """Makes standard normal fields from `hashed_uniforms`."""
    return torch.erfinv(2 * hashed_uniforms(seeds, shape, device) - 1) * math.sqrt(2)


def _mixed(x: Tensor) -> Tensor:
    """Hashes 32-bit numbers by Wellons' "lowbias32"; products wrap, masks make shifts logical."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x7FEB352D
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * (0x846CA68B - 2**32)
    return x ^ ((x >> 16) & 0xFFFF)
