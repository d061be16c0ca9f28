"""Degraded pairs, each used in several steps where degrading is dear."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from train.data.sources import PairSource
from train.degradation.draws import POOL, generator

Label = Callable[[Tensor, Tensor], Tensor]
"""Computes something of LQ and GT images, (B, ...)."""


class PairPool:
    """Hands out (LQ, GT) pairs, and mixes fresh ones with pairs of earlier steps.

    Real-ESRGAN's training-pair pool mixes what batches are made of, since a batch of its has one
    set of resize factors. Here samples are independent, so a pool can only save work: with `uses`
    above 1 every sample of a batch is fresh once in so many steps, and otherwise drawn from what
    was fresh before. What is drawn is a function of (seed, step, sample): nothing to save, and a
    resumed run makes again what it needs.

    Args:
        pairs: Makes fresh ones.
        seed: Of the run.
        uses: Steps that a pair is used in, on average.
        depth: Fresh pairs of each sample that are kept to draw from.
        label: What else is computed once for each pair: the teacher's IDR, say.
    """

    def __init__(
        self,
        pairs: PairSource,
        seed: int,
        uses: int = 1,
        depth: int = 8,
        label: Label | None = None,
    ) -> None:
        self.pairs, self.seed, self.label = pairs, seed, label
        self.uses, self.depth = uses, depth if uses > 1 else 1
        self._made: dict[tuple[int, int, tuple[int, ...]], tuple[Tensor, ...]] = {}

    def batch(self, step: int, samples: Sequence[int], size: int) -> tuple[Tensor, ...]:
        """The pairs of a step, see `PairSource.make`, and last the label where there is one."""
        group = tuple(samples)
        pairs = []
        for sample in group:
            source = self.source(step, sample)
            row = self._fresh(source, group).index(sample)
            pairs.append([made[row] for made in self._group(source, size, group)])
        oldest = step + 1 - self.uses * self.depth
        self._made = {key: made for key, made in self._made.items() if key[0] >= oldest}
        return tuple(torch.stack(column) for column in zip(*pairs, strict=True))

    def source(self, step: int, sample: int) -> int:
        """The step, this one or an earlier one, that a sample's pair was made in."""
        if self._is_fresh(step, sample):
            return step
        newest = step - (step + sample) % self.uses
        if newest < self.uses:  # all steps before were fresh
            return int(generator(self.seed, step, sample, POOL).integers(self.uses))
        kept = min(self.depth, newest // self.uses)
        return newest - self.uses * int(generator(self.seed, step, sample, POOL).integers(kept))

    def _is_fresh(self, step: int, sample: int) -> bool:
        return step < self.uses or (step + sample) % self.uses == 0

    def _fresh(self, step: int, group: tuple[int, ...]) -> list[int]:
        return [sample for sample in group if self._is_fresh(step, sample)]

    def _group(self, step: int, size: int, group: tuple[int, ...]) -> tuple[Tensor, ...]:
        """What was fresh in a step, made together, so that it is always made in the same way."""
        key = (step, size, group)
        if key not in self._made:
            made = self.pairs.make(step, self._fresh(step, group), size)
            labels = () if self.label is None else (self.label(made[0], made[1]),)
            self._made[key] = (*made, *labels)
        return self._made[key]
