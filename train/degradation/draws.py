"""Random numbers that depend on (seed, step, sample) and on nothing else.

A resumed run, another batch partition or another device draws the same numbers, so no generator
state needs saving.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Streams of one sample that must not share numbers.
PARAMETERS, NOISE, CROPS, POOL = range(4)


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
