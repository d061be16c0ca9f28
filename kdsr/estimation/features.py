"""Features of the estimator: computed tile by tile, summed over cells or sampled windows."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.models import Student
from ..options import Job, Size, Tiling
from ..pixels import as_floats, check_computed
from ..tiles import AxisPlan, Layout, Span, plan_tiles
from ..tiles.work import SMALLEST_TILE, TileWork, pick_dtype

CELL = 48
"""Side of a cell in LQ pixels; features are averaged, and accepted or rejected, by cells."""
WINDOWS = 28
"""Number of sampled windows of a large image, each a cell."""
BUDGET = 384 * 384
"""LQ pixels that are all looked at; of more, windows of about as many together."""
_GOLDEN = 0.6180339887498949
"""Steps of it, around and around, leave no gap that is much larger than the others."""


@dataclass(frozen=True)
class SampledWindows:
    """Windows in an image; stands in for a `TilePlan` that covers it."""

    rows: AxisPlan
    """The rows of each window."""
    columns: AxisPlan
    """The columns of each, in the same order."""

    @property
    def tiles(self) -> list[tuple[Span, Span]]:
        """Pairs (row span, column span), one per window."""
        return list(zip(self.rows.spans, self.columns.spans, strict=True))


def sample_windows(height: int, width: int, halo: int) -> SampledWindows:
    """Chooses windows: by the size of the image alone, and alike for sizes that are alike.

    Args:
        height: LQ pixels of the image.
        width: Likewise.
        halo: LQ pixels around each cell that the estimator sees.
    """
    numbers = range(WINDOWS)
    down = [(number * _GOLDEN + 0.5) % 1 for number in numbers]
    across = [(number + 0.5) / WINDOWS for number in numbers]
    return SampledWindows(_axis(height, halo, down), _axis(width, halo, across))


def _axis(length: int, halo: int, places: list[float]) -> AxisPlan:
    size = min(length, CELL + 2 * halo)
    own = min(length, CELL)
    spans = []
    for place in places:
        window = round(place * (length - size))
        start = window + (size - own) // 2
        spans.append(Span(start, start + own, window, size))
    return AxisPlan(length, halo, tuple(spans), wrap=False)


_STEP = 2.5 / 255  # a neighbour further off than rounding twice can make it
_STRIP = 2**20  # pixels at once: a copy of a large image would not fit beside it


def structured_pixels(lq: Tensor, weights: Tensor | None = None) -> Tensor:
    """Counts the pixels that differ from the next one to the right or below.

    Args:
        lq: RGB in [0, 1] or uint8, (B, 3, H, W), on any device.
        weights: Weights of pixels, (B or 1, 1, H, W), at least one positive for each
            image; in proportion to their largest.

    Returns:
        (B,) in float32 on the CPU: pixels, or the sum of their weights.
    """
    height, width = lq.shape[-2:]
    rows = max(1, _STRIP // (len(lq) * width))
    total = torch.zeros(len(lq), dtype=torch.float64)
    for top in range(0, height, rows):
        seen = differing(as_floats(lq[:, :, top : top + rows + 1]))[:, : min(rows, height - top)]
        if weights is not None:
            seen = seen * weights[:, 0, top : top + rows].to(seen.device)
        total += seen.flatten(1).sum(1, dtype=torch.float32).cpu()
    if weights is not None:
        total /= weights.flatten(1).amax(1).cpu()
    return total.float()


def differing(strip: Tensor) -> Tensor:
    """Marks pixels of (B, 3, h, W) that differ from the next right or below: (B, h, W), bool."""
    right = F.pad(strip.diff(dim=3).abs().amax(1), (0, 1))
    below = F.pad(strip.diff(dim=2).abs().amax(1), (0, 0, 0, 1))
    return torch.maximum(right, below) > _STEP


_CPU_BATCH = 4  # windows of a sample together; on a GPU all of them


@dataclass(frozen=True)
class TileFeatures:
    """The features of one tile of one image."""

    index: int
    """Number of the image in its batch."""
    row: Span
    """LQ rows of the tile."""
    column: Span
    """LQ columns of the tile."""
    values: Tensor
    """Features (4C, rows, columns), float32 on the model's device."""


class FeatureReader:
    """Runs a student's estimator over images of any size.

    Args:
        model: Model, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), on any device; checked by the caller.
        tiling: Tiling of the work.
        job: Receives the progress after each tile, and may cancel before it.

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
        """The features of a few windows of each image, in order; see `kdsr.estimation.features`."""
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


@dataclass(frozen=True)
class Grid:
    """A grid of cells of nearly equal size that covers an image."""

    height: int
    """LQ pixels of the image."""
    width: int
    rows: int
    """Cells along the height."""
    columns: int

    @classmethod
    def of_side(cls, height: int, width: int, side: float) -> "Grid":
        """Makes a grid with cells of about `side` LQ pixels; at least one per axis."""
        return cls(height, width, max(1, round(height / side)), max(1, round(width / side)))

    @property
    def row_of(self) -> Tensor:
        """Row of cells of each pixel row, (height,)."""
        return torch.arange(self.height) * self.rows // self.height

    @property
    def column_of(self) -> Tensor:
        """Column of cells of each pixel column, (width,)."""
        return torch.arange(self.width) * self.columns // self.width


@dataclass(frozen=True)
class Cells:
    """Sums over the cells of each image of a batch."""

    features: Tensor
    """Sums of the weighted features, (B, cells, 4C), float64 on the CPU."""
    pixels: Tensor
    """Sums of the weights, (B, cells), float64 on the CPU."""

    def means(self) -> Tensor:
        """Mean features of each cell, (B, cells, 4C); zero for cells without weight."""
        return self.features / self.pixels.clamp(min=1e-9)[..., None]

    def pooled(self, votes: Tensor | None = None) -> Tensor:
        """The mean over the cells of each image, (B, 4C), each cell times its vote, (B, cells)."""
        if votes is None:
            return self.features.sum(1) / self.pixels.sum(1, keepdim=True)
        votes = votes.to(self.pixels)
        total = (votes * self.pixels).sum(1, keepdim=True)
        return torch.einsum("bnc,bn->bc", self.features, votes) / total


def sum_cells(
    tiles: Iterator[TileFeatures], grid: Grid, images: int, weights: Tensor | None = None
) -> Cells:
    """Sums features that cover images.

    Args:
        tiles: Features of the tiles of all images.
        grid: The cells.
        images: B.
        weights: Weights of pixels, (B or 1, 1, H, W).
    """
    row_of, column_of = grid.row_of, grid.column_of
    total: Tensor | None = None
    for tile in tiles:
        values = tile.values
        if weights is not None:
            plane = weights[tile.index % len(weights), :, tile.row.own, tile.column.own]
            values = values * plane.to(values)
        if total is None:
            shape = (images, grid.rows, grid.columns, len(values))
            total = torch.zeros(shape, dtype=torch.float64)
        _add(total[tile.index], values, row_of[tile.row.own], column_of[tile.column.own])
    assert total is not None  # an image has a tile
    return Cells(total.flatten(1, 2), _pixels(grid, images, weights))


def _add(total: Tensor, values: Tensor, rows: Tensor, columns: Tensor) -> None:
    """Adds (4C, h, w) to the (rows, columns, 4C) that its pixels belong to."""
    found, counts = rows.unique_consecutive(return_counts=True)
    for row, part in zip(found.tolist(), values.split(counts.tolist(), dim=1), strict=True):
        # Columns in float32 (channels last, where such a sum is fast), then float64 on the CPU
        # (some devices have none).
        total[row].index_add_(0, columns, part.sum(1).T.cpu().double())


def _pixels(grid: Grid, images: int, weights: Tensor | None) -> Tensor:
    if weights is None:
        own = torch.outer(torch.bincount(grid.row_of), torch.bincount(grid.column_of))
        return own.double().flatten().expand(images, -1)
    total = torch.zeros(len(weights), grid.rows, grid.columns, dtype=torch.float64)
    strips = total.new_zeros(len(weights), grid.rows, grid.width)
    strips.index_add_(1, grid.row_of, weights[:, 0].cpu().double())
    total.index_add_(2, grid.column_of, strips)
    return total.flatten(1).expand(images, -1)


def sum_windows(tiles: Iterator[TileFeatures], images: int) -> Cells:
    """Takes every window of each image for a cell."""
    sums: list[list[Tensor]] = [[] for _ in range(images)]
    pixels: list[list[int]] = [[] for _ in range(images)]
    for tile in tiles:
        sums[tile.index].append(tile.values.sum(1).sum(1).cpu().double())
        pixels[tile.index].append(tile.values[0].numel())
    features = torch.stack([torch.stack(own) for own in sums])
    return Cells(features, torch.tensor(pixels, dtype=torch.float64))
