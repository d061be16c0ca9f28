"""How far cells of degraded photographs lie from the middle of a model's range."""

import torch
from torch import Tensor

from kdsr import KDSR
from kdsr.estimation.features import CELL, FeatureReader, Grid, sum_cells
from kdsr.network.models import Calibration
from kdsr.options import UNWATCHED, Tiling
from train.data.crops import CropSampler
from train.degradation.pipelines import Degradation
from train.measuring.labelled import BATCH, SEED

USUAL = 0.999
"""Share of cells that the distance holds."""
_SIDE = 3  # cells of a crop along each side: most of an image's cells meet no border
_CLEAN = 4  # one crop of so many is only downscaled: many pictures are sharp


def cell_distance(
    c: Calibration, model: KDSR, crops: CropSampler, degradation: Degradation, samples: int
) -> Tensor:
    """The distance from the centre that 99.9% of cells stay within, (1,).

    Args:
        c: Its centre is the middle.
        model: A finished student.
        crops: Of photographs.
        degradation: What the model was trained on.
        samples: Crops, or a few more.
    """
    found = []
    for step in range(-(-samples // BATCH)):
        side = _crop_side(crops, model.config.scale)
        gt = crops.batch(SEED + step + 500_000, range(BATCH), side, torch.device("cpu"))
        drawn = degradation.sample(SEED + 5, step, range(BATCH))
        lq = degradation.apply(gt, drawn)
        few = BATCH // _CLEAN
        lq[:few] = torch.nn.functional.interpolate(
            gt[:few], lq.shape[-2:], mode="bicubic", antialias=True
        ).clamp(0, 1)
        found.append(c.distance(cell_vectors(model, lq)).flatten())
    return torch.quantile(torch.cat(found), USUAL).reshape(1)


@torch.inference_mode()
def cell_vectors(model: KDSR, lq: Tensor) -> Tensor:
    """D' of the cells of a batch, as an estimate sees them, (B, cells, 4C)."""
    height, width = lq.shape[-2:]
    grid = Grid.of_side(height, width, CELL)
    reader = FeatureReader(model, lq, Tiling(dtype="fp32"), UNWATCHED)
    means = sum_cells(reader.tiles(), grid, len(lq)).means()
    return model.estimator.from_pooled(means.to(model.estimator.head.weight))[1].float().cpu()


def _crop_side(crops: CropSampler, scale: int) -> int:
    """GT pixels; less where an image is smaller."""
    smallest = min(min(e.height, e.width) for e in crops.cache.index) // scale
    return min(_SIDE * CELL, smallest) * scale
