"""Sources of (LQ, GT) pairs: degraded photographs, real pairs, or a mix of both."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from train.data.cache import ImageCache
from train.data.crops import CropSampler, Place, as_batch, shares_of_area
from train.data.real_pairs import PairCache
from train.data.teaching import Teaching
from train.degradation.draws import CROPS, MIX, generator
from train.degradation.pipelines import Degradation


class PairSource(Protocol):
    """Makes pairs as a function of the step and the samples alone."""

    def make(self, step: int, samples: Sequence[int], size: int) -> tuple[Tensor, ...]:
        """Makes the pairs of the given samples of a step.

        Args:
            step: Number of the step, from 0.
            samples: Numbers of the samples in the batch.
            size: Side of the GT patches in pixels.

        Returns:
            LQ (B, 3, size / scale, size / scale) and GT (B, 3, size, size) in [0, 1]; with a
            `Teaching` also its targets, like GT.
        """
        ...

    def describe(self, step: int, samples: Sequence[int], size: int) -> list[str]:
        """Describes the draws of each sample, in words."""
        ...


class SyntheticPairs:
    """Makes pairs by degrading crops of photographs.

    Args:
        crops: Source of GT patches.
        degradation: Pipeline that makes LQ patches.
        seed: Seed of the run.
        device: Device of the pairs.
        teaching: Source of targets; crops with drawn patterns use the GT instead.
    """

    def __init__(
        self,
        crops: CropSampler,
        degradation: Degradation,
        seed: int,
        device: torch.device,
        teaching: Teaching | None = None,
    ) -> None:
        self.crops, self.degradation, self.seed, self.device = crops, degradation, seed, device
        self.teaching = teaching

    def make(self, step: int, samples: Sequence[int], size: int) -> tuple[Tensor, ...]:
        """See `PairSource`."""
        gt = self.crops.batch(step, samples, size, self.device)
        lq = self.degradation.apply(gt, self.degradation.sample(self.seed, step, samples))
        if self.teaching is None:
            return lq, gt
        drawn = [self.crops.is_drawn(step, sample, size) for sample in samples]
        keep = torch.tensor(drawn, device=gt.device).view(-1, 1, 1, 1)
        return lq, gt, gt.where(keep, self.teaching.pictures(lq, gt))

    def describe(self, step: int, samples: Sequence[int], size: int) -> list[str]:
        """Describes the degradation of each sample, in words."""
        del size
        return self.degradation.describe(self.degradation.sample(self.seed, step, samples))


class RealPairs:
    """Cuts crops from real pairs, drawn in proportion to their area; both sides turn alike.

    Args:
        pairs: Decoded pairs, none smaller than a crop.
        seed: Seed of the run.
        device: Device of the crops.
        teaching: Source of targets, or None.
    """

    def __init__(
        self, pairs: PairCache, seed: int, device: torch.device, teaching: Teaching | None = None
    ) -> None:
        self.pairs, self.seed, self.device, self.teaching = pairs, seed, device, teaching
        self.cumulative = shares_of_area(pairs.lq.index)

    def make(self, step: int, samples: Sequence[int], size: int) -> tuple[Tensor, ...]:
        """See `PairSource`."""
        pairs, side = self.pairs, size // self.pairs.scale
        places = [self._place(step, sample, side) for sample in samples]

        def cut(cache: ImageCache, scale: int) -> Tensor:
            crops = [place.cut(cache.image(place.image), side, scale) for place in places]
            return as_batch(crops, self.device)

        lq, gt = cut(pairs.lq, 1), cut(pairs.gt, pairs.scale)
        if self.teaching is None:
            return lq, gt
        given = cut(pairs.teacher, pairs.scale) if pairs.teacher is not None else None
        return lq, gt, self.teaching.pictures(lq, gt, given)

    def describe(self, step: int, samples: Sequence[int], size: int) -> list[str]:
        """Names the pair and the place of each crop."""
        side = size // self.pairs.scale
        places = [self._place(step, sample, side) for sample in samples]
        return [
            f"pair {self.pairs.names[place.image]}, at {place.left}, {place.top}"
            for place in places
        ]

    def _place(self, step: int, sample: int, side: int) -> Place:
        rng = generator(self.seed, step, sample, CROPS)
        return Place.draw(rng, self.cumulative, self.pairs.lq.index, side)


class MixedPairs:
    """Mixes real and synthetic pairs; each sample is what its own source alone would make.

    Args:
        synthetic: Source of synthetic pairs.
        real: Source of real pairs.
        share: Share of real pairs, 0 to 1.
        seed: Seed of the run.
    """

    def __init__(self, synthetic: PairSource, real: PairSource, share: float, seed: int) -> None:
        self.synthetic, self.real, self.share, self.seed = synthetic, real, share, seed

    def make(self, step: int, samples: Sequence[int], size: int) -> tuple[Tensor, ...]:
        """See `PairSource`."""
        made: dict[int, tuple[Tensor, ...]] = {}
        for source, chosen in self._parts(step, samples):
            made |= dict(
                zip(chosen, zip(*source.make(step, chosen, size), strict=True), strict=True)
            )
        columns = zip(*(made[sample] for sample in samples), strict=True)
        return tuple(torch.stack(column) for column in columns)

    def describe(self, step: int, samples: Sequence[int], size: int) -> list[str]:
        """Describes each sample by its own source."""
        words: dict[int, str] = {}
        for source, chosen in self._parts(step, samples):
            words |= dict(zip(chosen, source.describe(step, chosen, size), strict=True))
        return [words[sample] for sample in samples]

    def _parts(self, step: int, samples: Sequence[int]) -> list[tuple[PairSource, list[int]]]:
        """The sources that have samples, each with its samples."""
        real = {s for s in samples if generator(self.seed, step, s, MIX).random() < self.share}
        parts = (
            (self.synthetic, [sample for sample in samples if sample not in real]),
            (self.real, [sample for sample in samples if sample in real]),
        )
        return [(source, chosen) for source, chosen in parts if chosen]
