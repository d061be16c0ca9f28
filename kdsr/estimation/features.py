"""What the estimator sees, tile by tile; every estimate is an average of this."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..network.models import Student
from ..options import Job, Size, Tiling
from ..tiles.limits import check_computed, pick_dtype
from ..tiles.plan import Layout, Span, plan_tiles
from ..tiles.work import SMALLEST_TILE, TileWork
from .samples import CELL, WINDOWS, sample_windows

_CPU_BATCH = 4  # windows of a sample together; on a GPU all of them


@dataclass(frozen=True)
class TileFeatures:
    """The features of one tile of one image."""

    index: int
    """Of the image in its batch."""
    row: Span
    """LQ rows that the tile is responsible for."""
    column: Span
    """LQ columns that it is responsible for."""
    values: Tensor
    """(4C, rows, columns), float32 on the model's device."""


class FeatureReader:
    """Runs a student's estimator over images of any size.

    Args:
        model: On the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), on any device; checked by the caller.
        tiling: How to cut the work.
        job: Told after each tile, asked before it.

    Raises:
        ConfigError: If the device cannot run the dtype.
        ImageError: If the features are not finite.
        OutOfMemoryError: If even a tile of the smallest size does not fit.
        Cancelled: If the job says so.
    """

    def __init__(self, model: Student, lq: Tensor, tiling: Tiling, job: Job) -> None:
        self.estimator, self.lq, self.tiling, self.job = model.estimator, lq, tiling, job
        self.weight = self.estimator.head.weight
        self.dtype = pick_dtype(tiling.dtype, self.weight.device)

    def tiles(self) -> Iterator[TileFeatures]:
        """The features of all pixels, each once, image by image."""
        tile, halo = self.tiling.estimate_tile, self.estimator.halo
        plan = plan_tiles(Size.of(self.lq), tile, halo, wrap=self.tiling.wrap)
        return self._run(plan, 1, SMALLEST_TILE)

    def sampled(self) -> Iterator[TileFeatures]:
        """The features of a few windows of each image, in order; see `kdsr.estimation.samples`."""
        height, width = self.lq.shape[-2:]
        plan = sample_windows(height, width, self.estimator.halo)
        # Windows are never cut: each is a cell.
        return self._run(plan, _CPU_BATCH if self.weight.device.type == "cpu" else WINDOWS, CELL)

    def _run(self, plan: Layout, batch: int, smallest: int) -> Iterator[TileFeatures]:
        device = self.weight.device
        work = TileWork(
            self.lq,
            plan,
            device,
            dtype=self.weight.dtype,
            batch=batch,
            smallest=smallest,
            job=self.job,
        )
        reduced = self.dtype != torch.float32
        for step in work.steps():
            features = None
            with step:
                windows = step.windows()
                with torch.autocast(device.type, self.dtype, enabled=reduced):
                    features = self.estimator.features(windows).float()
            if features is None:  # memory ran out: the same pixels come again, in smaller tiles
                continue
            for (index, row, column), values in zip(step.tiles, features, strict=True):
                values = values[:, row.inner, column.inner]
                check_computed(values)
                yield TileFeatures(index, row, column, values)
            del features
