"""The one loop over tiles, which estimating and upscaling share; less at a time in a shortage."""

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
"""LQ pixels; halving stops here."""

_log = logging.getLogger(__name__)


class Tile(NamedTuple):
    """A tile of one image of a batch."""

    image: int
    row: Span
    column: Span

    @property
    def side(self) -> int:
        """LQ pixels of the longer side, the halo apart."""
        return max(self.row.length, self.column.length)


class Step:
    """A few tiles that are done together. Do them in a `with`: it takes a shortage of memory.

    What is done in it must be right if it is done again, up to its last statement.
    """

    def __init__(self, work: "TileWork", tiles: list[Tile]) -> None:
        self.tiles = tiles
        self.short = False
        """Whether memory ran out."""
        self._work = work

    def windows(self) -> Tensor:
        """What the network is to see.

        Returns:
            (tiles, C, window height, window width) on the device, channels_last: convolutions run
            faster on it.
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
    """Goes over the tiles of images, a few at a time.

    When memory runs out it goes on with single tiles, then with smaller ones, and never with more
    again. What was done stays done.

        for step in work.steps():
            with step:
                result = network(step.windows())

    Args:
        images: (B, C, H, W), floats or uint8, on any device.
        plan: Of tiles.
        device: Where the work runs.
        dtype: Of the windows.
        batch: Tiles that go through the network together.
        smallest: LQ pixels of a side; halving stops here.
        job: Told after each step, asked before it.
        remedy: What helps where even the least is too much.
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
        self._largest: int | None = None  # LQ pixels of a tile's side, once memory ran out
        self._done, self._total = 0, len(images) * len(plan.tiles)

    def steps(self, images: Iterable[int] | None = None) -> Iterator[Step]:
        """The steps over some of the images, or over all.

        Raises:
            OutOfMemoryError: If memory runs out even for a single tile of the smallest size.
            Cancelled: If the job says so.
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
        """One tile at a time first; then half the tile."""
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
        """The same tiles, in parts where they are larger than memory allows."""
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
