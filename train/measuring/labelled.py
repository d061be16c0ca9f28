"""Photographs with known degradations, to fit and check the readings of an IDR."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kdsr import KDSR
from kdsr.estimation.features import structured_pixels
from train.data.crops import CropSampler
from train.degradation.general import GeneralDegradation, GeneralParameters
from train.degradation.jpeg import jpeg_by_pillow

BATCH = 16
"""Number of crops per step."""
SEED = 7_000_003
"""Seed of the draws, different from those of training."""
SIDES = (48, 64, 96, 128)
"""Sides of the LQ crops in pixels; several, so that measured errors hold for more than one."""
_CHROMA = ("4:4:4", "4:2:2", "4:2:0")
_FLAT = 1  # number of crops of a batch in one colour


@dataclass(frozen=True)
class Labelled:
    """Vectors of degraded images, and the degradations."""

    idr_full: Tensor
    """Estimated vectors, (B, 4C)."""
    truth: Tensor
    """True degradations, (B, 4), as in `QUANTITIES`: blur along both axes, noise, quality."""
    structure: Tensor
    """Numbers of structured pixels, (B,); see `kdsr.estimation.features`."""


def draw_labelled(
    model: KDSR,
    crops: CropSampler,
    general: GeneralDegradation,
    count: int,
    *,
    stream: int,
    flat: bool,
) -> Labelled:
    """Degrades random crops by the general pipeline and estimates their vectors.

    Args:
        model: Model that estimates the vectors.
        crops: Source of the photographs' crops.
        general: The general pipeline.
        count: Smallest number of crops.
        stream: Number of an independent stream of draws.
        flat: Include crops of one colour. Blur leaves no trace in them, so that the fitted readings
            learn to state a large error for such images.
    """
    vectors, truth, structure = [], [], []
    for step in range(-(-count // BATCH)):
        gt = cut(model, crops, step, stream)
        if flat:
            gt[:_FLAT] = gt[:_FLAT].mean((2, 3), keepdim=True)
        drawn = general.sample(SEED + stream, step, range(BATCH))
        lq = degrade(general, gt, drawn)
        vectors.append(idr_full_of(model, lq))
        truth.append(targets(drawn))
        structure.append(structured_pixels(lq))
    return Labelled(torch.cat(vectors), torch.cat(truth), torch.cat(structure))


def degrade(general: GeneralDegradation, gt: Tensor, drawn: GeneralParameters) -> Tensor:
    """Applies drawn degradations; half of the JPEGs are real files, with every chroma subsampling.

    Args:
        general: The general pipeline.
        gt: Ground truths, (B, 3, sH, sW) in [0, 1].
        drawn: Parameters from `general.sample`.

    Returns:
        LQ images, (B, 3, H, W) in [0, 1] on the 8-bit grid.
    """
    ways = torch.tensor([seed % (2 * len(_CHROMA)) for seed in drawn.seeds])
    simulated = drawn.quality.where(ways >= len(_CHROMA), torch.zeros(()))
    lq = general.apply(gt, replace(drawn, quality=simulated))
    for way, chroma in enumerate(_CHROMA):
        lq = jpeg_by_pillow(lq, drawn.quality.where(ways == way, torch.zeros(())), chroma)
    return lq


def targets(drawn: GeneralParameters) -> Tensor:
    """Targets of the readings, (B, 4): blur along both axes, noise and JPEG quality."""
    long = torch.maximum(drawn.sigma_long, drawn.sigma_short)
    short = torch.minimum(drawn.sigma_long, drawn.sigma_short)
    return torch.stack((long, short, drawn.noise, drawn.quality), dim=1)


def cut(
    model: KDSR, crops: CropSampler, step: int, stream: int, sides: Sequence[int] | None = None
) -> Tensor:
    """Cuts the GT crops of a step, (BATCH, 3, H, W) in [0, 1], at most as large as any image.

    `sides` are those of the LQ in pixels, one after the other; by default `SIDES`.
    """
    sides = sides or SIDES
    smallest = min(min(e.height, e.width) for e in crops.cache.index) // model.config.scale
    side = min(sides[step % len(sides)], smallest) * model.config.scale
    return crops.batch(SEED + step + 100_000 * stream, range(BATCH), side, torch.device("cpu"))


@torch.inference_mode()
def idr_full_of(model: KDSR, lq: Tensor) -> Tensor:
    """Estimates `idr_full` (B, 4C) of LQ images (B, 3, H, W) in [0, 1]."""
    head = model.estimator.head.weight
    # The channels-last format is a quarter faster on a CPU.
    lq = lq.to(head).contiguous(memory_format=torch.channels_last)
    return model.estimator(lq)[1].float().cpu()
