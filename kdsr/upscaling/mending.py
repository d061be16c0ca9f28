"""Whether a result is still a picture of its input, and what is done where it is not.

Shrunk back, a result must look like what it was made from, up to noise and blur. Where it does not
the network has taken a pattern for a degradation. That part is made again as if it were clean, and
what is still off then is moved to its input. The parts lie on a grid that does not depend on tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..idr import IDR
from ..network.baked import BakedKDSR
from ..network.models import Student
from ..network.trust import range_of
from ..pixels import BYTE, store

FINE, COARSE = 4, 32
"""LQ pixels of the blocks whose means are compared: a line that is gone shows in the small ones, a
shade that is off in the large ones. Noise and blur change neither by much."""
MOST_FINE, MOST_COARSE = 0.14, 8 / 255
"""How far means may be off, of 1. What `kdsr-s-x4-photo` made of degraded photographs (Set5 and
five of Set14, two general and two second-order draws) was off by at most 0.11 and 6.5 / 255."""
_SIGMAS = 6  # of the mean over a fine block, where noise was taken away
_FADE = 8  # LQ pixels over which a part that is made again goes over into the rest
_CELL = 64  # LQ pixels that are made again at a time
_MOVES = 3  # what black and white cut off takes more than one
_STRIP = 64  # LQ rows that are compared at a time


@dataclass(frozen=True)
class Mender:
    """Compares results with what they were made from, and mends what is off."""

    model: Student
    """On the device to run on; without a range nothing is done."""
    network: BakedKDSR
    """Its own, that results are made with; another IDR is set in it."""
    wrap: tuple[bool, bool] = (False, False)
    """Whether the images continue along (width, height)."""

    @torch.inference_mode()
    def mend(self, lq: Tensor, out: Tensor) -> float:
        """Mends one result in place.

        Args:
            lq: RGB in [0, 1], (3, H, W), on any device.
            out: The result on the CPU, (3, sH, sW), in [0, 1] or uint8.

        Returns:
            The share of the image that was made again, 0 to 1.
        """
        calibration = range_of(self.model)
        if calibration is None:
            return 0.0
        weights = self._off(lq, out)
        if weights is None:
            return 0.0
        full = calibration.clean[None]
        head = self.model.estimator.compress.weight
        vector = self.model.estimator.compress_idr(full.to(head)).float().cpu()
        self.network.set_idr(self.model, IDR(vector, full, self.model.fingerprint))
        self._again(lq, out, weights)
        for _ in range(_MOVES):
            still = self._off(lq, out)
            if still is None:
                break
            self._moved(lq, out, still)
        else:
            for _ in range(2):
                self._toned(lq, out)
        return float((weights > 0).float().mean())

    def _off(self, lq: Tensor, out: Tensor) -> Tensor | None:
        """How much of each pixel is to be made anew, (H, W); None where nothing is off."""
        means, noise = self._compared(lq, out)
        most = max(MOST_FINE, _SIGMAS * noise / FINE)
        coarse = _block_means(means, COARSE // FINE)
        found = F.max_pool2d(means.abs(), COARSE // FINE, ceil_mode=True) > most
        off = (found | (coarse.abs() > MOST_COARSE)).any(0)
        if not off.any():
            return None
        height, width = lq.shape[-2:]
        plane = torch.kron(off.float(), torch.ones(COARSE, COARSE))[:height, :width]
        return _faded(plane)

    def _compared(self, lq: Tensor, out: Tensor) -> tuple[Tensor, float]:
        """Means over fine blocks of what was added, (3, h, w), and the noise that was taken away.

        The noise is what most blocks say: its standard deviation, of 1.
        """
        means, squares = [], []
        for rows, own in _strips(lq):
            added = _shrunk(out[:, rows.start * self._s : rows.stop * self._s], self._s) - own
            means.append(_block_means(added, FINE))
            squares.append(_block_means(added**2, FINE))
        mean, square = torch.cat(means, dim=1), torch.cat(squares, dim=1)
        return mean, float((square - mean**2).clamp(min=0).median().sqrt())

    @property
    def _s(self) -> int:
        return self.network.scale

    def _again(self, lq: Tensor, out: Tensor, weights: Tensor) -> None:
        """Blends in what the network makes with the IDR it holds, cell by cell."""
        reach, s = self.network.halo, self._s
        for rows, columns in _cells(weights):
            down, top = _around(rows, reach, lq.shape[1], wrap=self.wrap[1])
            across, left = _around(columns, reach, lq.shape[2], wrap=self.wrap[0])
            window = lq[:, down.to(lq.device)[:, None], across.to(lq.device)][None]
            sr = self.network(window.to(self.network.head.weight))[0].float().cpu()
            own = _inside(sr, rows, columns, (top, left), s)
            share = _enlarged(weights[rows, columns], s)
            target = _place(out, rows, columns, s)
            before = _as_float(target)
            store(target, before + share * (own.clamp(0, 1) - before))

    def _moved(self, lq: Tensor, out: Tensor, weights: Tensor) -> None:
        """Adds what is missing, as it was before the shrinking: enlarged by a bicubic filter."""
        s, missing = self._s, torch.zeros(3, *weights.shape)
        for rows, columns in _cells(weights):
            seen = lq[:, rows, columns].float().cpu()
            shown = _shrunk(_place(out, rows, columns, s), s)
            missing[:, rows, columns] = (seen - shown) * weights[rows, columns]
        for rows, columns in _cells(weights):
            down, top = _around(rows, 2, lq.shape[1])  # so far the filter sees
            across, left = _around(columns, 2, lq.shape[2])
            window = missing[:, down[:, None], across][None]
            added = F.interpolate(window, scale_factor=float(s), mode="bicubic")[0]
            own = _inside(added, rows, columns, (top, left), s)
            target = _place(out, rows, columns, s)
            store(target, _as_float(target) + own)

    def _toned(self, lq: Tensor, out: Tensor) -> None:
        """Makes shades right that are still off: black and white give way, lines stay sharp."""
        means, _ = self._compared(lq, out)
        off = _block_means(means, COARSE // FINE)
        off = torch.where(off.abs() > 0.75 * MOST_COARSE, off, 0.0)
        size = lq.shape[1:]
        shade = _block_means(lq.float().cpu(), COARSE) + off
        lighter = _spread((-off).clamp(min=0) / (1 - shade).clamp(min=0.1), size)
        darker = _spread(off.clamp(min=0) / shade.clamp(min=0.1), size)
        for rows, columns in _cells((lighter + darker).amax(0)):
            target = _place(out, rows, columns, self._s)
            shares = (_enlarged(plane[:, rows, columns], self._s) for plane in (lighter, darker))
            up, down = shares
            before = _as_float(target)
            store(target, before + up * (1 - before) - down * before)


def _place(out: Tensor, rows: slice, columns: slice, s: int) -> Tensor:
    """Where LQ rows and columns lie in a result."""
    return out[:, rows.start * s : rows.stop * s, columns.start * s : columns.stop * s]


def _strips(lq: Tensor) -> Iterator[tuple[slice, Tensor]]:
    for top in range(0, lq.shape[1], _STRIP):
        rows = slice(top, min(top + _STRIP, lq.shape[1]))
        yield rows, lq[:, rows].float().cpu()


def _shrunk(sr: Tensor, s: int) -> Tensor:
    """The mean over each LQ pixel: (3, sH, sW), float or uint8 -> (3, H, W) in [0, 1]."""
    return F.avg_pool2d(_as_float(sr), s) if s > 1 else _as_float(sr)


def _block_means(values: Tensor, side: int) -> Tensor:
    """Means over blocks; those that reach beyond the edge have zeros there, and say less."""
    height, width = values.shape[-2:]
    return F.avg_pool2d(F.pad(values, (0, -width % side, 0, -height % side)), side)


def _faded(plane: Tensor) -> Tensor:
    """1 where the plane is, falling to 0 over `_FADE` pixels around it."""
    grown = F.max_pool2d(plane[None], 2 * _FADE + 1, 1, _FADE)
    return F.avg_pool2d(grown, _FADE + 1, 1, _FADE // 2, count_include_pad=False)[0]


def _cells(weights: Tensor) -> Iterator[tuple[slice, slice]]:
    """The cells of a fixed grid in which anything counts."""
    height, width = weights.shape
    for top in range(0, height, _CELL):
        for left in range(0, width, _CELL):
            rows = slice(top, min(top + _CELL, height))
            columns = slice(left, min(left + _CELL, width))
            if weights[rows, columns].any():
                yield rows, columns


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


def _spread(blocks: Tensor, size: torch.Size) -> Tensor:
    """Values of coarse blocks, (3, h, w), as planes without edges, (3, H, W)."""
    planes = blocks.clamp(max=0.5).repeat_interleave(COARSE, 1).repeat_interleave(COARSE, 2)
    planes = planes[:, : size[0], : size[1]]
    return F.avg_pool2d(planes, _FADE + 1, 1, _FADE // 2, count_include_pad=False)


def _enlarged(weights: Tensor, s: int) -> Tensor:
    return weights.repeat_interleave(s, -2).repeat_interleave(s, -1)


def _as_float(values: Tensor) -> Tensor:
    return values / BYTE if values.dtype == torch.uint8 else values.float()
