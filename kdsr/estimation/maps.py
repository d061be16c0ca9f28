"""A map: an IDR that changes over the image, from estimates on a grid."""

import torch
from torch import Tensor

from ..idr import IDR, degrees_between
from ..network.baked import range_of, votes
from ..network.models import Student
from ..options import DEFAULT_TILING, MAP_CELLS, UNWATCHED, Job, Size, Tiling
from .grid import estimate_local
from .regions import Region, Regions, boxed

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
