"""Degraded pairs, each used in several steps where degrading is dear."""

from collections.abc import Sequence

import torch
from torch import Tensor

from train.data.crops import CropSampler
from train.degradation.draws import POOL, generator
from train.degradation.pipelines import Degradation


class PairPool:
    """Makes (LQ, GT) pairs, and mixes fresh ones with pairs of earlier steps.

    Real-ESRGAN's training-pair pool mixes what batches are made of, since a batch of its has one
    set of resize factors. Here samples are independent, so a pool can only save work: with `uses`
    above 1 every sample of a batch is fresh once in so many steps, and otherwise drawn from what
    was fresh before. What is drawn is a function of (seed, step, sample): nothing to save, and a
    resumed run makes again what it needs.

    Args:
        crops: Source of GT patches.
        degradation: Makes LQ patches of them.
        seed: Of the run.
        device: Where pairs are made and kept.
        uses: Steps that a pair is used in, on average.
        depth: Fresh pairs of each sample that are kept to draw from.
    """

    def __init__(
        self,
        crops: CropSampler,
        degradation: Degradation,
        seed: int,
        device: torch.device,
        uses: int = 1,
        depth: int = 8,
    ) -> None:
        self.crops, self.degradation, self.seed, self.device = crops, degradation, seed, device
        self.uses, self.depth = uses, depth if uses > 1 else 1
        self._made: dict[tuple[int, int, tuple[int, ...]], tuple[Tensor, Tensor]] = {}

    def batch(self, step: int, samples: Sequence[int], size: int) -> tuple[Tensor, Tensor]:
        """The pairs of a step.

        Args:
            step: Counted from 0.
            samples: Their numbers in the step's batch.
            size: Side of the GT patches.

        Returns:
            LQ (B, 3, size / scale, size / scale) and GT (B, 3, size, size), both in [0, 1].
        """
        group = tuple(samples)
        pairs = []
        for sample in group:
            source = self.source(step, sample)
            lq, gt = self._group(source, size, group)
            row = self._fresh(source, group).index(sample)
            pairs.append((lq[row], gt[row]))
        oldest = step + 1 - self.uses * self.depth
        self._made = {key: made for key, made in self._made.items() if key[0] >= oldest}
        return torch.stack([lq for lq, _ in pairs]), torch.stack([gt for _, gt in pairs])

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

    def _group(self, step: int, size: int, group: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """What was fresh in a step, made together, so that it is always made in the same way."""
        key = (step, size, group)
        if key not in self._made:
            fresh = self._fresh(step, group)
            gt = self.crops.batch(step, fresh, size, self.device)
            drawn = self.degradation.sample(self.seed, step, fresh)
            self._made[key] = (self.degradation.apply(gt, drawn), gt)
        return self._made[key]
