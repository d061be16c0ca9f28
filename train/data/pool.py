"""Reuses degraded pairs in several steps, to save costly degradations."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from train.data.sources import PairSource
from train.degradation.draws import POOL, generator

Label = Callable[[Tensor, Tensor], Tensor]
"""Maps LQ and GT images to a tensor (B, ...)."""


class PairPool:
    """Provides the (LQ, GT) pairs of each step: fresh ones, mixed with pairs of earlier steps.

    Real-ESRGAN's training-pair pool mixes batches, as all samples of its batch share their resize
    factors. Here samples are independent, so a pool only saves work. Every sample of a batch is
    fresh once in `uses` steps, and otherwise drawn from earlier fresh ones. Draws are a function
    of (seed, step, sample), so checkpoints need no pool: a resumed run makes the pairs again.

    Args:
        pairs: Source of fresh pairs.
        seed: Seed of the run.
        uses: Average number of steps that use a pair.
        depth: Number of fresh pairs kept for each sample of a batch.
        label: Function evaluated once for each pair, such as the teacher's IDR.
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
        """The pairs of a step as `PairSource.make` returns them, followed by their labels."""
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
        """The step, this one or an earlier one, in which a sample's pair is made."""
        if self._is_fresh(step, sample):
            return step
        newest = step - (step + sample) % self.uses
        if newest < self.uses:  # the first steps make all samples fresh
            return int(generator(self.seed, step, sample, POOL).integers(self.uses))
        kept = min(self.depth, newest // self.uses)
        return newest - self.uses * int(generator(self.seed, step, sample, POOL).integers(kept))

    def _is_fresh(self, step: int, sample: int) -> bool:
        return step < self.uses or (step + sample) % self.uses == 0

    def _fresh(self, step: int, group: tuple[int, ...]) -> list[int]:
        return [sample for sample in group if self._is_fresh(step, sample)]

    def _group(self, step: int, size: int, group: tuple[int, ...]) -> tuple[Tensor, ...]:
        """All fresh pairs of a step, always made together, so that results do not vary."""
        key = (step, size, group)
        if key not in self._made:
            made = self.pairs.make(step, self._fresh(step, group), size)
            labels = () if self.label is None else (self.label(made[0], made[1]),)
            self._made[key] = (*made, *labels)
        return self._made[key]
