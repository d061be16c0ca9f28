"""Where in an image the degradation differs: an IDR for every cell of a grid."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from ..errors import ConfigError, ImageError, explaining_shortage
from ..idr import IDR
from ..network.models import Student
from ..options import DEFAULT_TILING, UNWATCHED, Job, Tiling
from ..tiles.limits import check_images
from .cells import Grid, sum_cells
from .features import FeatureReader
from .whole import check_mask

SMALLEST_CELL = 16
"""LQ pixels; fewer say nothing about blur."""


@dataclass(frozen=True)
class LocalIDRs:
    """IDRs of the cells of one image, row by row."""

    idr: IDR
    """(rows * columns, ...): each is the estimate that a mask of its cell gives."""
    rows: int
    columns: int

    def angles(self, reference: IDR) -> Tensor:
        """Degrees between each cell's `idr_full` and that of `reference` (one), (rows, columns)."""
        found = self.idr.angles(reference)
        return rearrange(found, "(rows columns) 1 -> rows columns", rows=self.rows)


@explaining_shortage("to estimate IDRs")
@torch.inference_mode()
def estimate_local(
    model: Student,
    lq: Tensor,
    *,
    cells: int = 24,
    mask: Tensor | None = None,
    tiling: Tiling = DEFAULT_TILING,
    job: Job = UNWATCHED,
) -> LocalIDRs:
    """Estimates an IDR for each cell, in one pass over the image.

    The estimator averages its features over the image; here they are averaged over each cell, so
    that a cell's IDR is exactly what `estimate` gives for a mask of that cell.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (1, 3, H, W), on any device.
        cells: Cells along the longer side, at least 1; fewer where they would be less than 16 px.
        mask: Weights, as in `estimate`, (1, 1, H, W). A cell of which nothing counts gets the
            estimate of all that does.
        tiling: As in `estimate`; the result does not depend on the tile.
        job: Told of every tile, asked before it.

    Raises:
        ImageError: If `lq` is not one RGB image.
        ConfigError: If an option is out of range.
        OutOfMemoryError: If even a tile of the smallest size does not fit.
        Cancelled: If the job says so.
    """
    if cells < 1:
        raise ConfigError(f"a grid needs at least 1 cell along the longer side, got {cells}")
    check_images(lq)
    if len(lq) != 1:
        raise ImageError(f"expected one image, got a batch of {len(lq)}; pass lq[:1]")
    height, width = lq.shape[-2:]
    grid = Grid.of_side(height, width, max(max(height, width) / cells, SMALLEST_CELL))
    reader = FeatureReader(model, lq, tiling, job)
    weights = check_mask(mask, lq)
    seen = sum_cells(reader.tiles(), grid, 1, weights)
    counted = (seen.pixels > 0)[..., None]
    pooled = torch.where(counted, seen.means(), seen.pooled()[:, None])[0]
    idr, idr_full = model.estimator.from_pooled(pooled.to(model.estimator.head.weight))
    return LocalIDRs(IDR(idr, idr_full, model.fingerprint), grid.rows, grid.columns)
