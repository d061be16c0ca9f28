"""Finds the parts of a result that differ too much from its input, and repairs them.

Shrunk to the input's size, a result must look like the input, up to noise and blur. Parts that do
not show that the network mistook a pattern for a degradation. They are upscaled again as if they
were clean, then remaining differences are added back. The parts lie on a grid independent of tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..idr import IDR
from ..network.baked import BakedKDSR, range_of
from ..network.models import Student
from ..pixels import as_floats, store
from .comparing import COARSE, TONED, Canvas, block_means, cells_along, shrunk

REACH = 5 * COARSE
"""Largest distance in LQ rows between a wrong block and a changed row: each of four rounds may go
a block further."""
_FADE = 8  # LQ pixels over which a repaired part fades into the rest
_MOVES = 3  # rounds of adding differences back: clipping at black and white takes several


@dataclass(frozen=True)
class Mender:
    """Compares results with their inputs, and repairs wrong areas.

    Beside image and result, the memory holds only means over blocks, whatever the image's size.
    """

    model: Student
    """Model, on the device to run on; without a calibrated range nothing is repaired."""
    network: BakedKDSR
    """Network that makes the results; repairs replace its IDR."""
    wrap: tuple[bool, bool] = (False, False)
    """Whether the images continue along (width, height)."""
    doubted: bool = False
    """Whether most cells of the image look unlike a photograph, so that no loss counts as noise."""

    @torch.inference_mode()
    def mend(self, canvas: Canvas) -> float:
        """Repairs a result, or its lower part from the first doubtful row on, in place.

        Returns:
            The share of that part that was made again, 0 to 1.
        """
        calibration = range_of(self.model)
        if calibration is None:
            return 0.0
        size = canvas.own.shape[-2:]
        off, patterns = canvas.off(torch.tensor(self.doubted))
        if not off.any():
            return 0.0
        full = calibration.clean[None]
        vector = self.model.estimator.compress_stored(full).float().cpu()
        self.network.set_idr(self.model, IDR(vector, full, self.model.fingerprint))
        weights = _Faded(off, size)
        self._again(canvas, weights)
        for _ in range(_MOVES):
            off, patterns = canvas.off(patterns)
            if not off.any():
                break
            self._moved(canvas, _Faded(off, size))
        else:
            for _ in range(2):
                self._toned(canvas)
        return weights.share()

    @property
    def scale(self) -> int:
        """Upscaling factor of the results."""
        return self.network.scale

    def _again(self, canvas: Canvas, weights: "_Faded") -> None:
        """Blends in the network's results with its present IDR, cell by cell."""
        reach, s, lq = self.network.halo, self.scale, canvas.lq
        for rows, columns, share in weights.cells():
            of_all = slice(rows.start + canvas.first, rows.stop + canvas.first)
            down, top = _around(of_all, reach, lq.shape[1], wrap=self.wrap[1])
            across, left = _around(columns, reach, lq.shape[2], wrap=self.wrap[0])
            window = as_floats(lq[:, down.to(lq.device)[:, None], across.to(lq.device)][None])
            sr = self.network(window.to(self.network.head.weight))[0].float().cpu()
            own = _inside(sr, rows, columns, (top, left), s)
            target = _place(canvas.out, rows, columns, s)
            before = _floats(target)
            store(target, before + _enlarged(share, s) * (own.clamp(0, 1) - before))
            canvas.changed(rows)

    def _moved(self, canvas: Canvas, weights: "_Faded") -> None:
        """Adds the difference from the input, enlarged by a bicubic filter."""
        s, (height, width) = self.scale, canvas.own.shape[-2:]
        rest, upper = list(cells_along(height)), slice(0, 0)
        above, own = torch.zeros(3, 0, width), self._missing(canvas, weights, rest[0])
        for number, rows in enumerate(rest):
            lower = rest[number + 1] if number + 1 < len(rest) else slice(height, height)
            below = self._missing(canvas, weights, lower)  # as it is before this row is changed
            planes = torch.cat((above, own, below), dim=1)
            for _, columns, _ in weights.cells(rows):
                down, top = _around(rows, 2, height)  # the filter's reach
                across, left = _around(columns, 2, width)
                window = planes[:, (down - upper.start)[:, None], across][None]
                added = F.interpolate(window, scale_factor=float(s), mode="bicubic")[0]
                target = _place(canvas.out, rows, columns, s)
                store(target, _floats(target) + _inside(added, rows, columns, (top, left), s))
                canvas.changed(rows)
            above, own, upper = own, below, rows
            canvas.release()

    def _missing(self, canvas: Canvas, weights: "_Faded", rows: slice) -> Tensor:
        """Missing light in some rows, (3, rows, W), where it counts."""
        found = torch.zeros(3, rows.stop - rows.start, canvas.lq.shape[2])
        for part, columns, share in weights.cells(rows):
            seen = _floats(canvas.own[:, part, columns]).cpu()
            shown = shrunk(_place(canvas.out, part, columns, self.scale), self.scale)
            inside = slice(part.start - rows.start, part.stop - rows.start)
            found[:, inside, columns] = (seen - shown) * share
        return found

    def _toned(self, canvas: Canvas) -> None:
        """Corrects remaining wrong shades by moving black or white, so that lines stay sharp."""
        off = canvas.comparison().shades()
        off = torch.where(off.abs() > TONED, off, 0.0)
        size = canvas.own.shape[1:]
        strips = [_floats(canvas.own[:, rows]).cpu() for rows in cells_along(size[0])]
        shade = torch.cat([block_means(strip, COARSE) for strip in strips], dim=1) + off
        lighter = _Spread((-off).clamp(min=0) / (1 - shade).clamp(min=0.1), size)
        darker = _Spread(off.clamp(min=0) / shade.clamp(min=0.1), size)
        for rows, columns in _cells(size):
            shares = lighter.at(rows, columns), darker.at(rows, columns)
            if not any(share.any() for share in shares):
                continue
            target = _place(canvas.out, rows, columns, self.scale)
            up, down = (_enlarged(share, self.scale) for share in shares)
            before = _floats(target)
            store(target, before + up * (1 - before) - down * before)
            canvas.changed(rows)


class _Faded:
    """Weights of pixels: 1 in wrong blocks, falling to 0 around them."""

    def __init__(self, off: Tensor, size: torch.Size) -> None:
        self.off, self.size = off, size
        self._near = F.max_pool2d(off.float()[None], 3, 1, 1)[0] > 0

    def at(self, rows: slice, columns: slice) -> Tensor:
        """Weights of some pixels, (rows, columns)."""
        reach = _FADE + _FADE // 2
        plane, inner = _blown_up(self.off.float()[None], rows, columns, self.size, reach)
        grown = F.max_pool2d(plane, 2 * _FADE + 1, 1, _FADE)
        faded = F.avg_pool2d(grown, _FADE + 1, 1, _FADE // 2, count_include_pad=False)
        return faded[0][inner]

    def cells(self, rows: slice | None = None) -> Iterator[tuple[slice, slice, Tensor]]:
        """The part of each cell of a fixed grid with positive weights: rows, columns, weights.

        Args:
            rows: Rows of one row of cells; by default all.
        """
        for cell in _cells(self.size, rows):
            blocks = tuple(slice(one.start // COARSE, -(-one.stop // COARSE)) for one in cell)
            if self._near[blocks].any() and (weights := self.at(*cell)).any():
                down, across = (_extent(weights.any(dim)) for dim in (1, 0))
                yield _within(cell[0], down), _within(cell[1], across), weights[down, across]

    def share(self) -> float:
        """Share of the pixels with positive weights."""
        counted = sum(int(weights.count_nonzero()) for *_, weights in self.cells())
        return counted / (self.size[0] * self.size[1])


class _Spread:
    """Values of coarse blocks, (3, h, w), spread smoothly over pixels."""

    def __init__(self, blocks: Tensor, size: torch.Size) -> None:
        self.blocks, self.size = blocks.clamp(max=0.5), size

    def at(self, rows: slice, columns: slice) -> Tensor:
        """Values of some pixels, (3, rows, columns)."""
        plane, inner = _blown_up(self.blocks, rows, columns, self.size, _FADE // 2)
        spread = F.avg_pool2d(plane, _FADE + 1, 1, _FADE // 2, count_include_pad=False)
        return spread[(slice(None), *inner)]


def _blown_up(
    blocks: Tensor, rows: slice, columns: slice, size: torch.Size, reach: int
) -> tuple[Tensor, tuple[slice, slice]]:
    """Values of coarse blocks at pixels and `reach` around; also the slices of those pixels."""
    spans, inner = [], []
    for span, length in zip((rows, columns), size, strict=True):
        first, last = max(0, span.start - reach), min(length, span.stop + reach)
        spans.append(torch.arange(first, last) // COARSE)
        inner.append(slice(span.start - first, span.stop - first))
    return blocks[:, spans[0][:, None], spans[1]], (inner[0], inner[1])


def _cells(size: torch.Size, rows: slice | None = None) -> Iterator[tuple[slice, slice]]:
    for down in cells_along(size[0]) if rows is None else [rows] * (rows.start < rows.stop):
        for across in cells_along(size[1]):
            yield down, across


def _extent(marks: Tensor) -> slice:
    """From the first to the last mark of a row of booleans."""
    places = marks.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1)


def _within(span: slice, part: slice) -> slice:
    """A part of a span, counted from the span's start."""
    return slice(span.start + part.start, span.start + part.stop)


def _place(out: Tensor, rows: slice, columns: slice, s: int) -> Tensor:
    """Slices of LQ rows and columns in a result."""
    return out[:, rows.start * s : rows.stop * s, columns.start * s : columns.stop * s]


def _around(span: slice, reach: int, length: int, *, wrap: bool = False) -> tuple[Tensor, int]:
    """The pixels of a window along an axis, and where the span begins in it."""
    if wrap:
        return torch.arange(span.start - reach, span.stop + reach) % length, reach
    first = max(0, span.start - reach)
    return torch.arange(first, min(length, span.stop + reach)), span.start - first


def _inside(window: Tensor, rows: slice, columns: slice, at: tuple[int, int], s: int) -> Tensor:
    """The part of an enlarged window that lies at LQ rows and columns; they begin `at` it."""
    (top, left), height, width = at, rows.stop - rows.start, columns.stop - columns.start
    return window[:, top * s : (top + height) * s, left * s : (left + width) * s]


def _enlarged(weights: Tensor, s: int) -> Tensor:
    return weights.repeat_interleave(s, -2).repeat_interleave(s, -1)


def _floats(values: Tensor) -> Tensor:
    return as_floats(values).float()
