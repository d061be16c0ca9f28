"""Measures how much `idr_full` depends on the degradation, and how much on the image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.data.crops import CropSampler
from train.degradation.pipelines import Degradation
from train.stages.distillation import Batch, Stage

_COUNT = 8  # number of degradations of one image, and of images with one degradation


class IDRProbe:
    """A fixed set of degraded crops that tests an estimator.

    Args:
        crops: Source of GT crops.
        degradation: Pipeline that makes LQ crops.
        seed: Seed of the run.
        size: Side of the GT crops in pixels.
        device: Device of the model.
    """

    def __init__(
        self,
        crops: CropSampler,
        degradation: Degradation,
        seed: int,
        size: int,
        device: torch.device,
    ) -> None:
        samples = list(range(_COUNT))
        gt = crops.batch(0, samples, size, device)
        one = gt[:1].expand_as(gt).contiguous()
        self._over_degradations = Batch(
            degradation.apply(one, degradation.sample(seed, 0, samples)), one, 0
        )
        self._over_images = Batch(
            degradation.apply(gt, degradation.sample(seed, 0, [0] * _COUNT)), gt, 0
        )
        self.examples = Batch(degradation.apply(gt, degradation.sample(seed, 0, samples)), gt, 0)
        """Different images with different degradations, for previews."""

    @torch.no_grad()
    def ask(self, stage: Stage, model: nn.Module) -> dict[str, float]:
        """Measures the spread of `idr_full` and, with a teacher, its similarity to the teacher's.

        Returns:
            `idr_level`: mean magnitude. `idr_spread_degradations`: mean standard deviation of the
            entries over degradations of one image. `idr_spread_images`: the same over images with
            one degradation. `idr_cosine`: cosine similarity of student and teacher.
            `idr_cosine_centred`: the same after subtracting each one's mean over degradations,
            because any two positive vectors are similar.
        """
        several = self._over_degradations
        vectors = stage.idr_full(model, several.lq, several.gt).float()
        same = stage.idr_full(model, self._over_images.lq, self._over_images.gt).float()
        numbers = {
            "idr_level": vectors.abs().mean().item(),
            "idr_spread_degradations": _spread(vectors),
            "idr_spread_images": _spread(same),
        }
        if stage.teacher is not None:
            targets = stage.teacher_idr_full(several.lq, several.gt).float()
            numbers["idr_cosine"] = _cosine(vectors, targets)
            numbers["idr_cosine_centred"] = _cosine(
                vectors - vectors.mean(0), targets - targets.mean(0)
            )
        return numbers


def _spread(vectors: Tensor) -> float:
    return vectors.std(0).mean().item()


def _cosine(a: Tensor, b: Tensor) -> float:
    return F.cosine_similarity(a, b).mean().item()
