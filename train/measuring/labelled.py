"""Photographs degraded in known ways: what readings of an IDR are fitted to and checked on."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kdsr import KDSR
from kdsr.estimation.features import structured_pixels
from train.data.crops import CropSampler
from train.degradation.general import GeneralDegradation, GeneralParameters
from train.degradation.jpeg import jpeg_by_pillow

BATCH = 16
"""Crops of a step."""
SEED = 7_000_003
"""Seed of the draws, away from those of training."""
SIDES = (48, 64, 96, 128)
"""Sides of the LQ crops: the errors hold for more than one size."""
_CHROMA = ("4:4:4", "4:2:2", "4:2:0")
_FLAT = 1  # crops of a batch


@dataclass(frozen=True)
class Labelled:
    """Vectors and what the images went through."""

    idr_full: Tensor
    """(B, 4C)."""
    truth: Tensor
    """(B, 4): blur along both axes, noise and quality, 0 for none; as `QUANTITIES`."""
    structure: Tensor
    """(B,): see `kdsr.estimation.features`."""


def draw_labelled(
    model: KDSR,
    crops: CropSampler,
    general: GeneralDegradation,
    count: int,
    *,
    stream: int,
    flat: bool,
) -> Labelled:
    """Degrades random crops as a general pipeline does.

    Args:
        model: Whose vectors are wanted.
        crops: Where to cut them.
        general: The ranges.
        count: Crops, or a few more.
        stream: Keeps the draws of one purpose apart from another's.
        flat: Make some crops of one colour. Blur leaves no trace in them, whatever noise lies
            above, so that a readout that saw them does not claim to know it.
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
    """Applies what was drawn; half of the JPEGs are real files, with chroma of every resolution.

    Args:
        general: The pipeline.
        gt: (B, 3, sH, sW) in [0, 1].
        drawn: By `general.sample`.

    Returns:
        (B, 3, H, W) in [0, 1] on the 8-bit grid.
    """
    ways = torch.tensor([seed % (2 * len(_CHROMA)) for seed in drawn.seeds])
    simulated = drawn.quality.where(ways >= len(_CHROMA), torch.zeros(()))
    lq = general.apply(gt, replace(drawn, quality=simulated))
    for way, chroma in enumerate(_CHROMA):
        lq = jpeg_by_pillow(lq, drawn.quality.where(ways == way, torch.zeros(())), chroma)
    return lq


def targets(drawn: GeneralParameters) -> Tensor:
    """What is to be read: blur along both axes, noise and quality, (B, 4)."""
    long = torch.maximum(drawn.sigma_long, drawn.sigma_short)
    short = torch.minimum(drawn.sigma_long, drawn.sigma_short)
    return torch.stack((long, short, drawn.noise, drawn.quality), dim=1)


def cut(model: KDSR, crops: CropSampler, step: int, stream: int) -> Tensor:
    """GT crops of a step, (BATCH, 3, H, W) in [0, 1]; smaller ones where an image is smaller."""
    smallest = min(min(e.height, e.width) for e in crops.cache.index) // model.config.scale
    side = min(SIDES[step % len(SIDES)], smallest) * model.config.scale
    return crops.batch(SEED + step + 100_000 * stream, range(BATCH), side, torch.device("cpu"))


@torch.inference_mode()
def idr_full_of(model: KDSR, lq: Tensor) -> Tensor:
    """D' of a batch, (B, 4C)."""
    head = model.estimator.head.weight
    # Channels last is a quarter faster on a CPU.
    lq = lq.to(head).contiguous(memory_format=torch.channels_last)
    return model.estimator(lq)[1].float().cpu()
