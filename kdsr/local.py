"""Where in an image the degradation differs: an IDR for every cell of a grid."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import ImageError
from .estimate import DEFAULT_TILE
from .idr import IDR
from .precision import pick_dtype
from .tiling import plan_tiles
from .windows import CancelledFn, ProgressFn, ask_cancelled, check_images, cut_windows

if TYPE_CHECKING:
    from .model import KDSR

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
        cosine = self.idr.cosine(reference)[:, 0].clamp(-1, 1)
        return torch.rad2deg(torch.arccos(cosine)).reshape(self.rows, self.columns)


@torch.inference_mode()
def estimate_local(
    model: "KDSR",
    lq: Tensor,
    *,
    cells: int = 24,
    tile: int = DEFAULT_TILE,
    dtype: str | torch.dtype = "auto",
    progress: ProgressFn | None = None,
    cancelled: CancelledFn | None = None,
) -> LocalIDRs:
    """Estimates an IDR for each cell, in one pass over the image.

    The estimator averages its features over the image; here they are averaged over each cell, so
    that a cell's IDR is exactly what `estimate` gives for a mask of that cell.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (1, 3, H, W), on any device.
        cells: Cells along the longer side; fewer where they would be less than 16 px.
        tile: LQ pixels between halos; the result does not depend on it.
        dtype: As in `upscale`.
        progress: Called with (tiles done, tiles in all).
        cancelled: Asked before each tile.

    Raises:
        ImageError: If `lq` is not one RGB image.
        Cancelled: If `cancelled` said so.
    """
    check_images(lq)
    if len(lq) != 1:
        raise ImageError(f"expected one image, got a batch of {len(lq)}; pass lq[:1]")
    height, width = lq.shape[-2:]
    side = max(max(height, width) / cells, SMALLEST_CELL)
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    # The cell that each pixel row and column belongs to.
    row_of = torch.arange(height) * rows // height
    column_of = torch.arange(width) * columns // width
    head = model.estimator.head.weight
    run_dtype = pick_dtype(dtype, head.device)
    plan = plan_tiles(height, width, tile, model.config.estimator_halo)
    like = torch.empty(0, device=head.device, dtype=head.dtype)
    total = torch.zeros(4 * model.config.n_feats, rows, columns, dtype=torch.float64)
    for done, (row, column) in enumerate(plan.tiles):
        ask_cancelled(cancelled)
        window = cut_windows(lq, plan, [(0, row, column)], like)
        with torch.autocast(head.device.type, run_dtype, enabled=run_dtype != torch.float32):
            features = model.estimator.features(window)[0].float().cpu()
        features = features[:, row.offset :, column.offset :]
        features = features[:, : row.stop - row.start, : column.stop - column.start]
        strips = features.new_zeros(len(features), rows, features.shape[2])
        strips.index_add_(1, row_of[row.start : row.stop], features)
        total.index_add_(2, column_of[column.start : column.stop], strips.double())
        if progress is not None:
            progress(done + 1, len(plan.tiles))
    count = torch.outer(torch.bincount(row_of), torch.bincount(column_of))
    pooled = (total / count).flatten(1).T.to(like)
    idr, idr_full = model.estimator.from_pooled(pooled)
    return LocalIDRs(IDR(idr, idr_full, model.fingerprint), rows, columns)
