"""Validation during training, on images that are not trained on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.cards.facts import plain_name
from train.data.cache import ImageCache
from train.data.crops import as_batch
from train.data.image_files import find_images, read_rgb
from train.data.real_pairs import PairCache
from train.degradation.pipelines import Degradation
from train.degradation.resize import resize_bicubic
from train.losses.grid import SMALLEST as GRID_SMALLEST
from train.losses.grid import grid_loss
from train.losses.terms import l1_loss
from train.measuring.metrics import psnr_y
from train.measuring.perceptual import Measure
from train.recipes.options import TrainOptions
from train.recipes.session_options import OWN, PAIRS
from train.stages.distillation import Stage

_SIDE = 384  # side of the validated middle of a held-out image, GT pixels
_SEED = 1_000_003  # the same degradations in every run, so that runs can be compared


@dataclass(frozen=True)
class DegradedSet:
    """Images with one fixed degradation each.

    Attributes:
        images: Ground truths (H, W, 3), uint8.
        degradation: Pipeline that makes the LQ images.
        scale: Upscaling factor.
    """

    images: list[Tensor]
    degradation: Degradation
    scale: int

    def pairs(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields LQ (1, 3, H, W) and GT (1, 3, sH, sW) in [0, 1], pair by pair."""
        for index, image in enumerate(self.images):
            height, width = (n // self.scale * self.scale for n in image.shape[:2])
            gt = as_batch([image[:height, :width]], device)
            yield self.degradation.apply(gt, self.degradation.sample(_SEED, 0, [index])), gt


@dataclass(frozen=True)
class PairSet:
    """The middles of held-out pairs.

    Attributes:
        cache: Held-out pairs.
    """

    cache: PairCache

    def pairs(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields LQ (1, 3, H, W) and GT (1, 3, sH, sW) in [0, 1], pair by pair."""
        scale = self.cache.scale
        for index in range(len(self.cache)):
            images = (self.cache.lq.image(index), self.cache.gt.image(index))
            corner = _corner(images[0].shape[:2], _SIDE // scale)
            lq, gt = (
                _square(image, corner, _SIDE // scale, factor)
                for image, factor in zip(images, (1, scale), strict=True)
            )
            yield as_batch([lq], device), as_batch([gt], device)


def validation_sets(
    options: TrainOptions, held_out: ImageCache, held_out_pairs: PairCache | None
) -> dict[str, DegradedSet | PairSet]:
    """Makes the validation sets of a run, by name.

    Args:
        options: Options of the run.
        held_out: Photographs kept out of training.
        held_out_pairs: Pairs kept out of training, or None.
    """
    scale = options.scale
    asked = options.validate_on or (OWN, PAIRS)
    asked = (asked,) if isinstance(asked, str) else asked
    own = options.degradation.build(scale)
    sets: dict[str, DegradedSet | PairSet] = {
        folder.name: DegradedSet(
            [torch.from_numpy(read_rgb(path).copy()) for path in find_images(folder)], own, scale
        )
        for folder in options.validate
    }
    middles = [_middle(held_out.image(i)).cpu() for i in range(len(held_out))]
    for name in asked:
        if name == PAIRS and held_out_pairs:
            sets["pairs"] = PairSet(held_out_pairs)
        elif name == OWN and middles:
            sets["held_out"] = DegradedSet(middles, own, scale)
        elif name != PAIRS and middles:
            degradation = options.degradation.alone(name).build(scale)
            sets[f"held_out_{name}"] = DegradedSet(middles, degradation, scale)
    return sets


class Validation:
    """Measures models on sets of (LQ, GT) pairs.

    Args:
        sets: Validation sets by name; see `validation_sets`.
        scale: Upscaling factor.
        device: Device of the model.
        measures: Perceptual measures by name, in addition to PSNR-Y and L1.
    """

    def __init__(
        self,
        sets: dict[str, DegradedSet | PairSet],
        scale: int,
        device: torch.device,
        measures: dict[str, Measure],
    ) -> None:
        self.sets, self.scale, self.device, self.measures = sets, scale, device, measures
        self.plain: dict[str, float] = {}

    @torch.no_grad()
    def measure(self, stage: Stage, model: nn.Module) -> dict[str, float]:
        """Measures a model on each set; returns means by name, such as `psnr_y_held_out`.

        The means are PSNR-Y in dB (also of the baseline, see `plain_name`), L1, `grid_loss` in
        steps of 1/255, and the perceptual measures.
        """
        numbers = {}
        for name, chosen in self.sets.items():
            sums, count, plain = {}, 0, 0.0
            for lq, gt in chosen.pairs(self.device):
                sr = stage.upscale(model, lq, gt).float()
                scores = {
                    "psnr_y": psnr_y(sr, gt, self.scale).item(),
                    "l1": l1_loss(sr, gt).item(),
                    "grid": self._grid(sr, gt),
                    **{key: measure(sr, gt) for key, measure in self.measures.items()},
                }
                sums = {key: sums.get(key, 0.0) + score for key, score in scores.items()}
                if name not in self.plain:
                    upscaled = resize_bicubic(lq, (gt.shape[2], gt.shape[3]))
                    plain += psnr_y(upscaled, gt, self.scale).item()
                count += 1
            self.plain.setdefault(name, plain / count)
            numbers |= {f"{key}_{name}": total / count for key, total in sums.items()}
            numbers[f"{plain_name(self.scale)}_psnr_y_{name}"] = self.plain[name]
        return numbers

    def _grid(self, sr: Tensor, gt: Tensor) -> float:
        if min(gt.shape[2:]) < GRID_SMALLEST * self.scale:
            return math.nan
        return 255 * grid_loss(sr.clamp(0, 1), gt, self.scale).item()


def _middle(image: Tensor) -> Tensor:
    """The validated middle of a photograph (H, W, 3)."""
    return _square(image, _corner(image.shape[:2], _SIDE), _SIDE)


def _square(image: Tensor, corner: tuple[int, int], side: int, factor: int = 1) -> Tensor:
    """Cuts a square out of an image (H, W, 3); corner and side are in pixels of 1 / factor."""
    top, left, side = corner[0] * factor, corner[1] * factor, side * factor
    return image[top : top + side, left : left + side]


def _corner(shape: Sequence[int], side: int) -> tuple[int, int]:
    """Top left corner of an image's middle square; (0, 0) if the image is smaller."""
    height, width = shape
    return max(0, height - side) // 2, max(0, width - side) // 2
