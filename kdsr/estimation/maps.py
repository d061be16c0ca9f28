"""IDRs that change over an image: estimated on a grid, then as a map of regions."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from ..errors import ConfigError, ImageError, explaining_shortage
from ..idr import IDR, degrees_between
from ..network.baked import range_of, votes
from ..network.models import Student
from ..options import DEFAULT_TILING, MAP_CELLS, UNWATCHED, Job, Size, Tiling
from ..tiles.limits import check_images
from .features import FeatureReader, Grid, sum_cells
from .regions import Region, Regions, boxed
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


ALIKE = 3.0
"""Degrees: cells whose IDRs all differ by less share one. Regions are paid for one by one, and
estimates of one degradation on different subjects differ by more than that: on the samples this
moves the result by 0.07/255 on average and saves a third of the work."""


def idr_map(
    model: Student,
    lq: Tensor,
    *,
    cells: int = MAP_CELLS,
    mask: Tensor | None = None,
    tiling: Tiling = DEFAULT_TILING,
    job: Job = UNWATCHED,
) -> Regions:
    """Estimates IDRs on a grid, smooths them and lets each fade into its neighbours.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W); the map is averaged over the batch.
        cells: Cells along the longer side. Few see the degradation better, many follow it closer.
        mask: As in `estimate_local`, for each image, (B, 1, H, W).
        tiling: As in `estimate_local`.
        job: Told of every tile of each image, asked before it.
    """
    masks = [None] * len(lq) if mask is None else mask.split(1)
    frames = [
        estimate_local(model, image, cells=cells, mask=weights, tiling=tiling, job=job)
        for image, weights in zip(lq.split(1), masks, strict=True)
    ]
    local = frames[0]
    across, down = tiling.wrap
    smooth = torch.kron(_binomial(local.rows, wrap=down), _binomial(local.columns, wrap=across))
    idr = IDR.cat([frame.idr for frame in frames])
    trust = _trust(model, idr).reshape(len(frames), -1)
    counted = smooth @ trust.sum(0)  # of all that a place is smoothed over
    lost = (counted <= 0)[:, None]
    vectors = []
    for name, instead in zip(("idr", "idr_full"), _clean(model), strict=True):
        own = getattr(idr, name).unflatten(0, trust.shape)
        known = smooth @ (trust[..., None] * own).sum(0) / counted.clamp(min=1e-9)[:, None]
        vectors.append(torch.where(lost, instead, known))
    groups = alike(degrees_between(vectors[1], vectors[1]), ALIKE)
    shared = [torch.stack([vector[group].mean(0) for group in groups]) for vector in vectors]
    rows = _tents(lq.shape[-2], local.rows, wrap=down)
    columns = _tents(lq.shape[-1], local.columns, wrap=across)
    parts = tuple(_part(group, rows, columns) for group in groups)
    told, left_out = local.idr.provenance, 1 - trust.mean()
    idr = IDR(shared[0], shared[1], local.idr.fingerprint, told, left_out=left_out)
    return Regions(idr, parts, Size.of(lq))


def _trust(model: Student, idr: IDR) -> Tensor:
    """How much each of many cells counts, (N,)."""
    calibration = range_of(model)
    return torch.ones(len(idr)) if calibration is None else votes(calibration, idr.idr_full)


def _clean(model: Student) -> tuple[Tensor, Tensor]:
    """Idr (C,) and idr_full (4C,) of a clean image, where nothing else is known."""
    c = model.config.n_feats
    if model.calibration is None:
        return torch.zeros(c), torch.zeros(4 * c)  # never used: every cell counts
    full, head = model.calibration.clean, model.estimator.compress.weight
    with torch.inference_mode():
        return model.estimator.compress_idr(full[None].to(head))[0].float().cpu(), full


def alike(apart: Tensor, most: float) -> list[list[int]]:
    """Groups of indices of which no two are further apart than `most`, merged nearest first.

    Args:
        apart: Distances, symmetric, (N, N).
        most: In the same unit.
    """
    count = len(apart)
    groups = [[index] for index in range(count)]
    apart = apart.clone().fill_diagonal_(torch.inf)
    while True:
        kept, merged = sorted(divmod(int(apart.argmin()), count))
        if not apart[kept, merged] <= most:
            return [sorted(group) for group in groups if group]
        groups[kept] += groups[merged]
        groups[merged] = []
        furthest = torch.maximum(apart[kept], apart[merged])
        apart[kept], apart[:, kept] = furthest, furthest
        apart[merged], apart[:, merged] = torch.inf, torch.inf
        apart[kept, kept] = torch.inf


def _part(group: list[int], rows: Tensor, columns: Tensor) -> Region:
    """Where a group of cells counts."""
    plane = torch.zeros(rows.shape[1], columns.shape[1])
    for cell in group:
        row, column = divmod(cell, len(columns))
        plane.addr_(rows[row], columns[column])
    part = boxed(plane)
    assert part is not None  # cells are at least a pixel large
    return part


def _tents(length: int, cells: int, *, wrap: bool) -> Tensor:
    """Linear interpolation between the centres of cells: (cells, length).

    Beyond the outer centres constant, or towards the cell at the other end if it wraps.
    """
    at = (torch.arange(length) + 0.5) * cells / length - 0.5
    if not wrap:
        at = at.clamp(0, cells - 1)
    distance = (at - torch.arange(cells)[:, None]).abs()
    if wrap:
        distance = torch.minimum(distance, cells - distance)
    return (1 - distance).clamp_min(0)


def _binomial(cells: int, *, wrap: bool) -> Tensor:
    """Weights 1 2 1 over neighbours, the edge repeated or wrapped around: (cells, cells)."""
    matrix = torch.zeros(cells, cells)
    for offset, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)):
        neighbours = torch.arange(cells) + offset
        neighbours = neighbours % cells if wrap else neighbours.clamp(0, cells - 1)
        matrix[torch.arange(cells), neighbours] += weight
    return matrix
