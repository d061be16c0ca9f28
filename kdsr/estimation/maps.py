"""IDRs that vary: over an image (a grid, a map of regions), and over the frames of a film."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor

from ..errors import ConfigError, ImageError, explaining_shortage
from ..idr import IDR, degrees_between
from ..network.baked import range_of, votes
from ..network.models import Student
from ..options import CUT_ANGLE, DEFAULT_TILING, MAP_CELLS, UNWATCHED, Job, Size, Tiling
from ..pixels import check_images
from . import check_mask
from .features import FeatureReader, Grid, sum_cells
from .regions import Region, Regions, boxed

_BLOCK = 128  # frames


def smooth(idr: IDR, factor: float, cut_angle: float = CUT_ANGLE) -> IDR:
    """Averages each frame's IDR with its neighbours' in the same scene.

    The weight of a frame n frames away is factor**n, to both sides: unlike a running average this
    does not lag behind a slow change, and the first frame of a scene is as smooth as any other.

    Args:
        idr: IDRs, one per frame, in order.
        factor: 0 (unchanged) to less than 1; about 2 / (1 - factor) frames count.
        cut_angle: Degrees between `idr_full` of a frame and the scene's running average above which
            a new scene begins; 180 for never.

    Returns:
        As many IDRs.

    Raises:
        ConfigError: If an argument is out of range.
    """
    problems = []
    if not 0 <= factor < 1:
        problems.append(f"the smoothing factor must be 0 to less than 1, got {factor}")
    if not 0 <= cut_angle <= 180:
        problems.append(f"the scene-cut angle must be 0 to 180 degrees, got {cut_angle}")
    if problems:
        raise ConfigError("; ".join(problems))
    starts = [*scene_starts(idr, factor, cut_angle), len(idr)]
    vectors, full = torch.empty_like(idr.idr), torch.empty_like(idr.idr_full)
    for first, stop in pairwise(starts):
        _average(idr.idr[first:stop], factor, vectors[first:stop])
        _average(idr.idr_full[first:stop], factor, full[first:stop])
    told = {**idr.provenance, "operation": f"smoothed {factor:g}"}
    return IDR(vectors, full, idr.fingerprint, told, idr.structure, idr.left_out)


def scene_starts(idr: IDR, factor: float, cut_angle: float = CUT_ANGLE) -> list[int]:
    """The frames that begin a scene; the first is always 0. Arguments as in `smooth`."""
    starts, running = [0], idr.idr_full[0].double()
    for index, frame in enumerate(idr.idr_full[1:], start=1):
        frame = frame.double()
        if degrees_between(frame[None], running[None]) > cut_angle:
            starts.append(index)
            running = frame
        else:
            running = factor * running + (1 - factor) * frame
    return starts


def _average(frames: Tensor, factor: float, out: Tensor) -> None:
    """Weighted averages over the frames of a scene, (N, C), into `out`.

    One pass forward, one backward, by blocks: beside the result a film of hours takes no memory.
    """
    count, steps = len(frames), torch.arange(_BLOCK, dtype=torch.float64)
    fading = factor**steps
    before = fading[(steps[:, None] - steps).abs().long()].tril()  # weight of each in its block
    blocks = [slice(first, first + _BLOCK) for first in range(0, count, _BLOCK)]
    carried = torch.zeros(frames.shape[1], dtype=torch.float64)
    for block in blocks:
        values = frames[block].double()
        sums = before[: len(values), : len(values)] @ values
        sums += factor * fading[: len(values), None] * carried
        out[block], carried = sums, sums[-1]
    carried = torch.zeros_like(carried)
    for block in reversed(blocks):
        values = frames[block].double()
        sums = before[: len(values), : len(values)].T @ values
        sums += factor * fading[: len(values), None].flip(0) * carried
        place = block.start + steps[: len(values), None]
        weights = _weights(factor, place) + _weights(factor, count - 1 - place) - 1
        out[block], carried = (out[block] + sums - values) / weights, sums[0]


def _weights(factor: float, places: Tensor) -> Tensor:
    """The weights of a frame and of so many on one side of it, together."""
    return (1 - factor ** (places + 1)) / (1 - factor)


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
        """Angles between each cell's `idr_full` and `reference`'s in degrees, (rows, columns)."""
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
        tiling: Tiling, as in `estimate`; the result does not depend on the tile.
        job: Receives the progress after each tile, and may cancel before it.

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
        cells: Cells along the longer side. Fewer are more reliable, more are finer.
        mask: Weights of pixels for each image, (B, 1, H, W), as in `estimate_local`.
        tiling: Tiling, as in `estimate_local`.
        job: Receives the progress after each tile of each image, and may cancel before it.
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
    """Weights of many cells, (N,)."""
    calibration = range_of(model)
    return torch.ones(len(idr)) if calibration is None else votes(calibration, idr.idr_full)


def _clean(model: Student) -> tuple[Tensor, Tensor]:
    """Idr (C,) and idr_full (4C,) of a clean image, where nothing else is known."""
    c = model.config.n_feats
    if model.calibration is None:
        return torch.zeros(c), torch.zeros(4 * c)  # never used: every cell counts
    full = model.calibration.clean
    with torch.inference_mode():
        return model.estimator.compress_stored(full[None])[0].float().cpu(), full


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
    """Area of a group of cells."""
    plane = torch.zeros(rows.shape[1], columns.shape[1])
    for cell in group:
        row, column = divmod(cell, len(columns))
        plane.addr_(rows[row], columns[column])
    part = boxed(plane)
    assert part is not None  # cells are at least a pixel large
    return part


def _tents(length: int, cells: int, *, wrap: bool) -> Tensor:
    """Weights of linear interpolation between the centres of cells: (cells, length).

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
