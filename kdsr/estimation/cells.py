"""What the estimator sees in each cell of an image; every estimate is an average of this."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .features import TileFeatures


@dataclass(frozen=True)
class Grid:
    """Cells of about one size that cover an image."""

    height: int
    """LQ pixels of the image."""
    width: int
    rows: int
    """Cells along the height."""
    columns: int

    @classmethod
    def of_side(cls, height: int, width: int, side: float) -> "Grid":
        """Cells of about `side` LQ pixels; one along an axis that is shorter."""
        return cls(height, width, max(1, round(height / side)), max(1, round(width / side)))

    @property
    def row_of(self) -> Tensor:
        """(height,): the row of cells that each pixel row belongs to."""
        return torch.arange(self.height) * self.rows // self.height

    @property
    def column_of(self) -> Tensor:
        """(width,): likewise."""
        return torch.arange(self.width) * self.columns // self.width


@dataclass(frozen=True)
class Cells:
    """Sums over the cells of each image of a batch."""

    features: Tensor
    """(B, cells, 4C), float64 on the CPU: of the features, each pixel times its weight."""
    pixels: Tensor
    """(B, cells), float64 on the CPU: of the pixels' weights."""

    def means(self) -> Tensor:
        """Of each cell, (B, cells, 4C); zero where no pixel counts."""
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
        tiles: Of all images.
        grid: The cells.
        images: B.
        weights: How much each pixel counts, (B or 1, 1, H, W).
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
