"""A result beside what it was made from: shrunk back to its size, block by block.

Three things tell that a network took a pattern for a degradation: a line is gone, a shade is off,
or what was taken away repeats itself every few pixels, as dither, scanlines and meshes do. Noise
never repeats itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pixels import as_floats

FINE, COARSE = 4, 32
"""LQ pixels of the blocks whose means are compared: a line that is gone shows in the small ones, a
shade that is off in the large ones. Noise and blur change neither by much."""
MOST_FINE, MOST_COARSE = 0.14, 8 / 255
"""How far means may be off, of 1. What `kdsr-s-x4-photo` made of degraded photographs (Set5 and
five of Set14, two general and two second-order draws) was off by at most 0.11 and 6.5 / 255."""
TONED = 0.75 * MOST_COARSE
"""How far means are off whose shade is made right in the end."""
MOST_PATTERN = 0.0316
"""How much of a pattern may be gone: root of the mean square over a coarse block, of 1 (30 dB)."""
_AGREEING = 0.5
"""Correlation of what was taken away with itself a period further, from which on it is a pattern.
Dither, scanlines and meshes reach 0.7 to 1, noise 0.2."""
_PERIODS = (2, 3, 4)
_SIGMAS = 6  # of the mean over a fine block, where noise was taken away
_STRIP = 16  # LQ rows that are shrunk at a time: a copy of more in floats would be large


@dataclass(frozen=True)
class Comparison:
    """What was added to some rows of an image."""

    means: Tensor
    """(3, h, w), over fine blocks; those that reach beyond the edge have zeros there."""
    variances: Tensor
    """(3, h, w), in fine blocks."""
    taken: Tensor
    """(h, w), over coarse blocks: the root of the mean square."""
    repeats: Tensor
    """(h, w) bool, of coarse blocks: whether what is taken away is a pattern."""

    @classmethod
    def joined(cls, parts: "Iterable[Comparison]") -> "Comparison":
        """Of rows below each other."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(torch.cat(column, dim=-2) for column in columns))

    def shades(self) -> Tensor:
        """Means over coarse blocks, (3, h, w)."""
        return block_means(self.means, COARSE // FINE)

    def off(self, patterns: Tensor, noise: float, shade: float = MOST_COARSE) -> Tensor:
        """Which coarse blocks are no picture of their input, (h, w) bool.

        Args:
            patterns: (h, w) bool, or one for all: where nothing is noise.
            noise: Standard deviation of what was taken away from most of the image, of 1.
            shade: How far the mean of a coarse block may be off.
        """
        most = max(MOST_FINE, _SIGMAS * noise / FINE)
        lines = F.max_pool2d(self.means.abs(), COARSE // FINE, ceil_mode=True) > most
        off = (lines | (self.shades().abs() > shade)).any(0)
        return off | ((patterns | self.repeats) & (self.taken > MOST_PATTERN))


def noise_of(variances: Iterable[Tensor]) -> float:
    """What most fine blocks say was taken away: its standard deviation, of 1."""
    return float(torch.cat([*variances], dim=1).median().sqrt())


def compare(lq: Tensor, sr: Tensor, s: int) -> Comparison:
    """Compares whole rows of a result with those of its input.

    Args:
        lq: RGB, (3, h, W), in [0, 1] or uint8, on any device: a multiple of `COARSE` of its rows,
            or the last ones.
        sr: The same rows of the result, (3, sh, sW), on the CPU, in [0, 1] or uint8.
        s: The factor.
    """
    strips = []
    for top in range(0, lq.shape[1], _STRIP):
        own = lq[:, top : top + _STRIP]
        shown = shrunk(sr[:, top * s : (top + own.shape[1]) * s], s)
        strips.append(shown - as_floats(own).float().cpu())
    added = torch.cat(strips, dim=1)
    squares = added.square()
    means = block_means(added, FINE)
    variances = (block_means(squares, FINE) - means.square()).clamp_(min=0)
    taken = F.avg_pool2d(squares.mean(0, keepdim=True), COARSE, ceil_mode=True)[0].sqrt()
    matters = taken > MOST_PATTERN
    repeats = _repeats(added.mean(0)) & matters if matters.any() else matters
    return Comparison(means, variances, taken, repeats)


def _repeats(added: Tensor) -> Tensor:
    """Whether each coarse block of (H, W) agrees with itself a period further, (h, w)."""
    height, width = added.shape
    padded = F.pad(added, (0, -width % COARSE, 0, -height % COARSE))
    blocks = padded.unflatten(1, (-1, COARSE)).unflatten(0, (-1, COARSE))
    found = torch.zeros(blocks.shape[0], blocks.shape[2], dtype=torch.bool)
    for dim in (1, 3):
        next_to = _agreement(blocks, dim, 1)  # what is merely smooth agrees there even more
        for period in _PERIODS:
            agreement = _agreement(blocks, dim, period)
            found |= (agreement > _AGREEING) & (agreement - next_to > _AGREEING)
    return found


def _agreement(blocks: Tensor, dim: int, step: int) -> Tensor:
    """The correlation of (h, side, w, side) with itself, so many pixels further, (h, w)."""
    length = blocks.shape[dim] - step
    here, there = blocks.narrow(dim, 0, length), blocks.narrow(dim, step, length)
    power = (here.square() + there.square()).sum((1, 3))
    return 2 * (here * there).sum((1, 3)) / power.clamp(min=1e-9)


def shrunk(sr: Tensor, s: int) -> Tensor:
    """The mean over each LQ pixel: (3, sH, sW), float or uint8 -> (3, H, W) in [0, 1]."""
    values = as_floats(sr).float()
    return F.avg_pool2d(values, s) if s > 1 else values


def block_means(values: Tensor, side: int) -> Tensor:
    """Means over blocks; those that reach beyond the edge have zeros there, and say less."""
    height, width = values.shape[-2:]
    return F.avg_pool2d(F.pad(values, (0, -width % side, 0, -height % side)), side)
