"""Measures the range of cell vectors of a model, as distances from the centre of its IDRs."""

import torch
from torch import Tensor

from kdsr import KDSR
from kdsr.estimation.features import CELL, FeatureReader, Grid, sum_cells
from kdsr.network.models import Calibration
from kdsr.options import UNWATCHED, Tiling
from train.data.crops import CropSampler
from train.degradation.pipelines import Degradation
from train.measuring.labelled import BATCH, SEED, cut

USUAL = 0.999
"""Share of cells within the distance."""
_SIDE = 3  # cells along each side of a crop; in an image, most cells do not touch a border
_CLEAN = 4  # one of as many crops is only downscaled, as many pictures are sharp


def cell_distance(
    c: Calibration, model: KDSR, crops: CropSampler, degradation: Degradation, samples: int
) -> Tensor:
    """Measures the distance from the centre within which 99.9% of cells lie, (1,).

    Args:
        c: Calibration with the centre and the scale of distances.
        model: A finished student.
        crops: Source of photograph crops.
        degradation: The model's training pipeline.
        samples: Smallest number of crops.
    """
    found = []
    for step in range(-(-samples // BATCH)):
        gt = cut(model, crops, step, 5, [_SIDE * CELL])
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
    """Estimates `idr_full` of each cell of LQ images (B, 3, H, W) in [0, 1]: (B, cells, 4C)."""
    height, width = lq.shape[-2:]
    grid = Grid.of_side(height, width, CELL)
    reader = FeatureReader(model, lq, Tiling(dtype="fp32"), UNWATCHED)
    means = sum_cells(reader.tiles(), grid, len(lq)).means()
    return model.estimator.from_pooled(means.to(model.estimator.head.weight))[1].float().cpu()
