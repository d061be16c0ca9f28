"""The loop over tiles for estimating and upscaling, which shrinks tiles when memory runs out."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import KDSRError, OutOfMemoryError, in_words, is_out_of_memory
from ..options import UNWATCHED, Job
from ..pixels import as_floats
from .limits import free_memory, release_memory
from .plan import AxisPlan, Layout, Span

SMALLEST_TILE = 16
"""Smallest tile side in LQ pixels, at which halving stops."""

_log = logging.getLogger(__name__)


class Tile(NamedTuple):
    """A tile of one image in a batch."""

    image: int
    row: Span
    column: Span

    @property
    def side(self) -> int:
        """Longer side in LQ pixels, without the halo."""
        return max(self.row.length, self.column.length)


class Step:
    """A few tiles that run together. Process them in a `with` block, which handles shortages.

    After a shortage the same pixels come again, so the block must be repeatable.
    """

    def __init__(self, work: "TileWork", tiles: list[Tile]) -> None:
        self.tiles = tiles
        self.short = False
        """Whether memory ran out in the block."""
        self._work = work

    def windows(self) -> Tensor:
        """Reads the windows of the tiles.

        Returns:
            Windows (tiles, C, window height, window width) on the device, in the channels-last
            format, which is faster for convolutions.
        """
        work, images = self._work, self._work.images
        windows = []
        for index, row, column in self.tiles:
            rows = torch.tensor(work.plan.rows.source(row), device=images.device)
            columns = torch.tensor(work.plan.columns.source(column), device=images.device)
            windows.append(images[index][:, rows[:, None], columns])
        stacked = as_floats(torch.stack(windows))
        return stacked.to(work.device, work.dtype, memory_format=torch.channels_last)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> bool:
        self.short = (
            isinstance(error, Exception)
            and not isinstance(error, KDSRError)
            and is_out_of_memory(error)
        )
        return self.short


class TileWork:
    """Runs over the tiles of images, a few at a time.

    When memory runs out, it continues with single tiles, then with smaller ones, and stays there.
    Finished tiles are not repeated.

        for step in work.steps():
            with step:
                result = network(step.windows())

    Args:
        images: Images (B, C, H, W), floats or uint8, on any device.
        plan: Layout of the tiles.
        device: Device of the work.
        dtype: Dtype of the windows.
        batch: Number of tiles per step.
        smallest: Smallest tile side in LQ pixels.
        job: Receives the progress, and may cancel before each step.
        remedy: Advice for the error if even the smallest tile does not fit.
    """

    def __init__(
        self,
        images: Tensor,
        plan: Layout,
        device: torch.device,
        *,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
        smallest: int = SMALLEST_TILE,
        job: Job = UNWATCHED,
        remedy: str = "close other programs",
    ) -> None:
        self.images, self.plan, self.device, self.dtype = images, plan, device, dtype
        self.batch, self.smallest, self.job, self.remedy = batch, smallest, job, remedy
        self._largest: int | None = None  # limit of a tile's side in LQ pixels, after a shortage
        self._done, self._total = 0, len(images) * len(plan.tiles)

    def steps(self, images: Iterable[int] | None = None) -> Iterator[Step]:
        """Yields the steps over the given images, by default over all.

        Raises:
            OutOfMemoryError: If memory runs out even for a single tile of the smallest size.
            Cancelled: If the job is cancelled.
        """
        chosen = range(len(self.images)) if images is None else images
        left = deque(self._cut(Tile(i, *place) for i in chosen for place in self.plan.tiles))
        while left:
            self.job.check()
            step = Step(self, [left.popleft() for _ in range(min(self.batch, len(left)))])
            yield step
            if step.short:
                self._shrink(step.tiles)
                left = deque(self._cut([*step.tiles, *left]))
            else:
                self._done += len(step.tiles)
                self.job.report(self._done, self._total)

    def _shrink(self, tiles: list[Tile]) -> None:
        """Reduces the work per step: first to single tiles, then to tiles of half the side."""
        release_memory(self.device)
        side = max(tile.side for tile in tiles)
        if len(tiles) == 1:
            if side <= self.smallest:
                raise OutOfMemoryError(
                    f"not enough memory on {self.device} even for single tiles of {side} px and "
                    f"what lies around them ({in_words(free_memory(self.device))} are free); "
                    f"{self.remedy}"
                )
            self._largest = max(self.smallest, side // 2)
        self.batch = 1
        _log.debug("memory ran out; going on with single tiles of %s px", self._largest or side)

    def _cut(self, tiles: Iterable[Tile]) -> list[Tile]:
        """Cuts tiles that exceed the current limit."""
        tiles = list(tiles)
        if self._largest is None:
            return tiles
        parts = [
            Tile(tile.image, row, column)
            for tile in tiles
            for row in _parts(self.plan.rows, tile.row, self._largest)
            for column in _parts(self.plan.columns, tile.column, self._largest)
        ]
        self._total += len(parts) - len(tiles)
        return parts


def _parts(plan: AxisPlan, span: Span, most: int) -> tuple[Span, ...]:
    return (span,) if span.length <= most else plan.split(span, most)
