"""What the estimator sees, tile by tile; every estimate is an average of this."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..network.models import Student
from ..options import EstimateOptions
from ..tiles.checks import check_computed
from ..tiles.memory import SMALLEST_TILE, Step
from ..tiles.plan import Span, TilePlan, plan_tiles
from ..tiles.precision import pick_dtype
from ..tiles.windows import CancelledFn, ProgressFn, ask_cancelled, cut_windows
from .samples import SampledWindows, sample_windows

_T = TypeVar("_T")
_CPU_BATCH = 4  # windows of a sample together; on a GPU all of them


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
        height, width = self.lq.shape[-2:]
        halo, wrap = self.model.estimator.halo, self.options.wrap
        step = Step(self.options.pixels, max(height, width), self._device)
        return step.run(
            lambda: average(self._tiles(plan_tiles(height, width, step.tile, halo, wrap=wrap), 1))
        )

    def sample(self, average: Callable[[Iterator[TileFeatures]], _T]) -> _T:
        """Gives the features of a few windows of each image, in order, to `average`."""
        plan = sample_windows(*self.lq.shape[-2:], self.model.estimator.halo)
        most = _CPU_BATCH if self._device.type == "cpu" else len(plan.tiles)
        step = Step(SMALLEST_TILE, SMALLEST_TILE, self._device, lambda _: most)
        return step.run(lambda: average(self._tiles(plan, step.batch)))

    @property
    def _device(self) -> torch.device:
        return self.model.estimator.head.weight.device

    def _tiles(self, plan: TilePlan | SampledWindows, batch: int) -> Iterator[TileFeatures]:
        estimator = self.model.estimator
        weight = estimator.head.weight
        dtype = pick_dtype(self.dtype, weight.device)
        like = torch.empty(0, device=weight.device, dtype=weight.dtype)
        jobs = [(index, *tile) for index in range(len(self.lq)) for tile in plan.tiles]
        for first in range(0, len(jobs), batch):
            ask_cancelled(self.cancelled)
            some = jobs[first : first + batch]
            windows = cut_windows(self.lq, plan, some, like)
            with torch.autocast(weight.device.type, dtype, enabled=dtype != torch.float32):
                features = estimator.features(windows).float()
            for (index, row, column), values in zip(some, features, strict=True):
                values = values[:, row.inner, column.inner]
                check_computed(values)
                yield TileFeatures(index, row, column, values)
            if self.progress is not None:
                self.progress(first + len(some), len(jobs))
