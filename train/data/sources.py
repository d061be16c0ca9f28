"""Where (LQ, GT) pairs come from: made of photographs, taken from real pairs, or a mix of both."""

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
    """Makes pairs; what it makes is a function of the step and the samples alone."""

    def make(self, step: int, samples: Sequence[int], size: int) -> tuple[Tensor, ...]:
        """The pairs of some samples of a step.

        Args:
            step: Counted from 0.
            samples: Their numbers in the step's batch.
            size: Side of the GT patches.

        Returns:
            LQ (B, 3, size / scale, size / scale) and GT (B, 3, size, size), both in [0, 1]; with a
            `Teaching` also its pictures, of the size of the GT.
        """
        ...

    def describe(self, step: int, samples: Sequence[int], size: int) -> list[str]:
        """What was drawn for each of them, in words."""
        ...


class SyntheticPairs:
    """Crops of photographs, degraded.

    Args:
        crops: Source of GT patches.
        degradation: Makes LQ patches of them.
        seed: Of the run.
        device: Where pairs are made.
        teaching: Makes pictures of the LQ patches; for drawn patterns they are the GT.
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
        """What the degradation drew."""
        del size
        return self.degradation.describe(self.degradation.sample(self.seed, step, samples))


class RealPairs:
    """Crops of real pairs, both sides turned and mirrored alike; pairs are drawn by their area.

    Args:
        pairs: None smaller than a crop.
        seed: Of the run.
        device: Where crops go.
        teaching: What is done with the pictures of the pairs, or what makes some.
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
        """Which pair each is cut from."""
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
    """Some samples from real pairs, the others synthetic, as if the other kind were not there.

    Args:
        synthetic: Makes the ones.
        real: Makes the others.
        share: Of real pairs, 0 to 1.
        seed: Of the run.
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
        """What each kind says."""
        words: dict[int, str] = {}
        for source, chosen in self._parts(step, samples):
            words |= dict(zip(chosen, source.describe(step, chosen, size), strict=True))
        return [words[sample] for sample in samples]

    def _parts(self, step: int, samples: Sequence[int]) -> list[tuple[PairSource, list[int]]]:
        """Each kind with its samples, where it has any."""
        real = {s for s in samples if generator(self.seed, step, s, MIX).random() < self.share}
        parts = (
            (self.synthetic, [sample for sample in samples if sample not in real]),
            (self.real, [sample for sample in samples if sample in real]),
        )
        return [(source, chosen) for source, chosen in parts if chosen]
