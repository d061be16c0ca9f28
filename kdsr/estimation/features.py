"""What the estimator sees, tile by tile; every estimate is an average of this."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..network.models import Student
from ..options import EstimateOptions
from ..tiles.checks import check_computed
from ..tiles.memory import Step
from ..tiles.plan import Span, plan_tiles
from ..tiles.precision import pick_dtype
from ..tiles.windows import CancelledFn, ProgressFn, ask_cancelled, cut_windows

_T = TypeVar("_T")


@dataclass(frozen=True)
class TileFeatures:
    """The features of one tile of one image."""

    index: int
    """Of the image in its batch."""
    row: Span
    """LQ rows that the tile is responsible for."""
    column: Span
    """LQ columns likewise."""
    values: Tensor
    """(4C, rows, columns), float32 on the model's device."""


@dataclass(frozen=True)
class FeatureReader:
    """Runs a student's estimator over images of any size.

    Raises:
        ConfigError: If the dtype is unknown or its device cannot run it.
        ImageError: If the features are not finite.
    """

    model: Student
    """On the device to run on."""
    lq: Tensor
    """RGB in [0, 1], (B, 3, H, W), on any device; checked by the caller."""
    options: EstimateOptions
    """How to cut the work."""
    dtype: str | torch.dtype = "auto"
    """As in `upscale`."""
    progress: ProgressFn | None = None
    """Called with (tiles done, tiles in all)."""
    cancelled: CancelledFn | None = None
    """Asked before each tile."""

    def average(self, average: Callable[[Iterator[TileFeatures]], _T]) -> _T:
        """Gives every tile's features to `average`, which sums them up in whatever way it wants.

        Args:
            average: Must not depend on how the image is cut: it is called again with smaller tiles
                when memory runs out.
        """
        device = self.model.estimator.head.weight.device
        step = Step(self.options.pixels, max(self.lq.shape[-2:]), device)
        return step.run(lambda: average(self._tiles(step.tile)))

    def _tiles(self, tile: int | None) -> Iterator[TileFeatures]:
        estimator = self.model.estimator
        weight = estimator.head.weight
        dtype = pick_dtype(self.dtype, weight.device)
        like = torch.empty(0, device=weight.device, dtype=weight.dtype)
        height, width = self.lq.shape[-2:]
        plan = plan_tiles(height, width, tile, estimator.halo, wrap=self.options.wrap)
        total = len(self.lq) * len(plan.tiles)
        for index in range(len(self.lq)):
            for number, (row, column) in enumerate(plan.tiles, 1):
                ask_cancelled(self.cancelled)
                window = cut_windows(self.lq, plan, [(index, row, column)], like)
                with torch.autocast(weight.device.type, dtype, enabled=dtype != torch.float32):
                    values = estimator.features(window)[0].float()
                values = values[:, row.inner, column.inner]
                check_computed(values)
                yield TileFeatures(index, row, column, values)
                if self.progress is not None:
                    self.progress(index * len(plan.tiles) + number, total)
