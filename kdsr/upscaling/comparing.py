"""Compares a result with its input block by block, after shrinking it to the input's size.

Four signs show that a network mistook a drawing for a degradation: a lost line, a wrong shade,
changed detail, or a loss that is no noise. Noise never repeats itself every few pixels, as dither,
scanlines and meshes do, and it never has few colours.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pixels import as_floats, to_bytes

CELL = 64
"""Side in LQ pixels of the cells that are compared, or upscaled again, at a time."""
DOUBTED = 0.7
"""Share of cells unlike any photograph above which no loss in the image counts as noise."""
FINE, COARSE = 4, 32
"""Sides in LQ pixels of the blocks whose means are compared: small ones show a lost line, large
ones a wrong shade. Noise and blur change neither by much."""
MOST_FINE, MOST_COARSE = 0.14, 8 / 255
"""Accepted errors of means, on a scale of 1. Results of `kdsr-s-x4-photo` for degraded photographs
(Set5, five of Set14; two general, two second-order draws) had at most 0.11 and 6.5 / 255."""
MOST_FINE_X1 = 0.26
"""The same for fine blocks at x1, where blur is wider in LQ pixels: results of `kdsr-s-x1-crisp`
for Set14 (four general draws) had at most 0.21."""
TONED = 0.75 * MOST_COARSE
"""Smallest error of a mean whose shade is corrected at the end."""
MOST_TAKEN = 0.0316
"""Accepted loss in a coarse block without noise: root mean square on a scale of 1 (30 dB)."""
_AGREEING = 0.5
"""Smallest correlation of the loss with itself a period further that shows a pattern.
Dither, scanlines and meshes reach 0.7 to 1, noise 0.2."""
_PERIODS = (2, 3, 4)
_COLOURS, _DRAWN = 12, 0.8
"""A block is a drawing if 12 colours cover 0.8 of it, not counting the commonest. Noise as strong
as `MOST_TAKEN` has more colours: grey noise reaches 0.7, degraded photographs 0.55."""
_SPEAKING = 128  # pixels, half of those sampled in a block: fewer have few colours anyway
_SAME_DETAIL = (0.85, 1.15)
"""Differences of neighbours, in multiples of the input's: removing blur makes them larger,
removing noise smaller."""
MOST_CHANGED, _NOISES = 10 / 255, 2
"""Accepted loss in a coarse block with changed detail, and the multiple of the picture's noise to
add to `MOST_TAKEN`. Networks stay below with blurred, noisy and compressed photographs."""
_SIGMAS, _SHADES = 6, 1.75
"""Accepted errors of a fine and a coarse block's mean where noise was removed, in standard
deviations of fine means. In 60 second-order draws noise alone gave 4.4 to 5.2, and 0.3 to 1.5 with
one exception (1.9); lost detail in made pictures gave 7.4 and 2.3 or more."""
_BLOTCHES = 10 / 255
"""Largest standard deviation of fine blocks' means by noise: 9.2 / 255 in these draws. A larger
one everywhere shows that the whole result is wrong."""
_OF_GRAIN = 1.25  # factor of the grain's variance, as medians underestimate it a little
_NORMAL = 1.4826  # standard deviation / median magnitude of a normal distribution
_STRIP = 16  # LQ rows to shrink at a time: a float copy of more rows would be large


@dataclass(frozen=True)
class Comparison:
    """Differences between some rows of an image and its result."""

    means: Tensor
    """Means over fine blocks, (3, h, w); blocks beyond the edge count zeros there."""
    variances: Tensor
    """Variances in fine blocks, (3, h, w)."""
    taken: Tensor
    """Root mean square of the differences in coarse blocks, (h, w)."""
    repeats: Tensor
    """Whether the loss in a coarse block is a pattern, (h, w) bool; False for small losses."""
    drawn: Tensor
    """Whether the input has few colours in such a block, (h, w) bool."""
    changed: Tensor
    """Whether such a block has as much detail as before, but different detail, (h, w) bool."""

    @classmethod
    def joined(cls, parts: "Iterable[Comparison]") -> "Comparison":
        """Joins the comparisons of successive rows."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(torch.cat(column, dim=-2) for column in columns))

    def shades(self) -> Tensor:
        """Means over coarse blocks, (3, h, w)."""
        return block_means(self.means, COARSE // FINE)

    def residues(self) -> Tensor:
        """Means over fine blocks less those of their coarse blocks, (3, h, w)."""
        height, width = self.means.shape[1:]
        shades = self.shades().repeat_interleave(COARSE // FINE, 1)[:, :height]
        return self.means - shades.repeat_interleave(COARSE // FINE, 2)[:, :, :width]

    @property
    def no_noise(self) -> Tensor:
        """Coarse blocks whose loss cannot be noise, (h, w) bool."""
        return self.repeats | self.drawn

    def off(self, patterns: Tensor, noise: "Noise", s: int, shade: float = MOST_COARSE) -> Tensor:
        """Coarse blocks that differ too much from their input, (h, w) bool.

        Args:
            patterns: Blocks without noise, (h, w) bool, or one value for all.
            noise: Noise that most of the result lacks.
            s: Upscaling factor.
            shade: Accepted error of the mean of a coarse block.
        """
        patterns = patterns | self.no_noise
        white = max(MOST_FINE if s > 1 else MOST_FINE_X1, _SIGMAS * noise.grain / FINE)
        most = torch.where(patterns, white, max(white, _SIGMAS * noise.blotches))
        most_shade = torch.where(patterns, shade, max(shade, _SHADES * noise.blotches))
        fine = F.max_pool2d(self.means.abs(), COARSE // FINE, ceil_mode=True).amax(0)
        off = (fine > most) | (self.shades().abs().amax(0) > most_shade)
        both = math.hypot(noise.grain, noise.blotches / 2)
        most_changed = max(MOST_CHANGED, math.hypot(MOST_TAKEN, _NOISES * both))
        changed = self.changed & (self.taken > most_changed)
        return off | changed | (patterns & (self.taken > MOST_TAKEN))


@dataclass(frozen=True)
class Noise:
    """Noise that most of a result lacks, as standard deviations on a scale of 1."""

    grain: float = 0.0
    """Standard deviation of pixels within fine blocks."""
    blotches: float = 0.0
    """Standard deviation of fine blocks' means within coarse blocks, less the share of the grain;
    enlarged or compressed noise has blotches."""

    @classmethod
    def of(cls, parts: "Iterable[Comparison]") -> "Noise":
        """Measures the noise by medians over the blocks of an image's rows."""
        variances, means = zip(*((part.variances, part.residues()) for part in parts), strict=True)
        grain = float(torch.cat(variances, dim=1).median().sqrt())
        coarser = _NORMAL * float(torch.cat(means, dim=1).abs_().median())
        blotches = math.sqrt(max(0.0, coarser**2 - _OF_GRAIN * (grain / FINE) ** 2))
        return cls(grain, min(blotches, _BLOTCHES))


def compare(lq: Tensor, sr: Tensor, s: int) -> Comparison:
    """Compares whole rows of a result with those of its input.

    Args:
        lq: RGB, (3, h, W), in [0, 1] or uint8, on any device; h is a multiple of `COARSE`, except
            for the last rows.
        sr: Same rows of the result, (3, sh, sW), on the CPU, in [0, 1] or uint8.
        s: Upscaling factor.
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
    matters = taken > MOST_TAKEN
    found = [matters] * 3
    if matters.any():
        seen, grey = as_floats(lq).float().cpu(), added.mean(0)
        found = [_repeats(grey), _is_drawn(seen), _is_changed(seen.mean(0), grey)]
    return Comparison(means, variances, taken, *(one & matters for one in found))


def _repeats(added: Tensor) -> Tensor:
    """Whether each coarse block of (H, W) agrees with itself a period further, (h, w)."""
    blocks = _blocks(added)
    found = torch.zeros(blocks.shape[0], blocks.shape[2], dtype=torch.bool)
    for dim in (1, 3):
        next_to = _agreement(blocks, dim, 1)  # higher for smooth differences without a pattern
        for period in _PERIODS:
            agreement = _agreement(blocks, dim, period)
            found |= (agreement > _AGREEING) & (agreement - next_to > _AGREEING)
    return found


def _agreement(blocks: Tensor, dim: int, step: int) -> Tensor:
    """Correlation of (h, side, w, side) with itself `step` pixels further, (h, w)."""
    length = blocks.shape[dim] - step
    here, there = blocks.narrow(dim, 0, length), blocks.narrow(dim, step, length)
    power = (here.square() + there.square()).sum((1, 3))
    return 2 * (here * there).sum((1, 3)) / power.clamp(min=1e-9)


def _is_drawn(seen: Tensor) -> Tensor:
    """Whether each coarse block of (3, H, W) has few colours, (h, w); samples a quarter of it."""
    red, green, blue = to_bytes(seen[:, ::2, ::2]).int().unbind(0)
    blocks = _blocks((red << 16) + (green << 8) + blue + 1, COARSE // 2).transpose(1, 2)
    colours = blocks.flatten(2).sort(dim=2).values
    run = F.pad((colours.diff(dim=2) != 0).long(), (1, 0)).cumsum(2)
    counts = torch.zeros(colours.shape).scatter_add_(2, run, (colours > 0).float())  # 0 is no pixel
    most, pixels = counts.topk(_COLOURS, dim=2).values, counts.sum(2)
    rest = pixels - most[..., 0]
    return (most[..., 1:].sum(2) >= _DRAWN * rest) & (pixels >= _SPEAKING)


def _is_changed(seen: Tensor, added: Tensor) -> Tensor:
    """Whether each coarse block of (H, W) has as much detail as before, (h, w)."""
    before, after = _detail(seen), _detail(seen + added)
    low, high = (before * bound**2 for bound in _SAME_DETAIL)
    return (after > low) & (after < high)


def _detail(grey: Tensor) -> Tensor:
    """Squared differences of neighbours over each coarse block of (H, W), (h, w)."""
    down, right = grey.diff(dim=0).square_(), grey.diff(dim=1).square_()
    return _blocks(F.pad(down, (0, 0, 0, 1)) + F.pad(right, (0, 1))).sum((1, 3))


def _blocks(plane: Tensor, side: int = COARSE) -> Tensor:
    """Reshapes (H, W) to blocks (h, side, w, side), with zeros beyond the edge."""
    height, width = plane.shape
    padded = F.pad(plane, (0, -width % side, 0, -height % side))
    return padded.unflatten(1, (-1, side)).unflatten(0, (-1, side))


def shrunk(sr: Tensor, s: int) -> Tensor:
    """The mean over each LQ pixel: (3, sH, sW), float or uint8 -> (3, H, W) in [0, 1]."""
    values = as_floats(sr).float()
    return F.avg_pool2d(values, s) if s > 1 else values


def block_means(values: Tensor, side: int) -> Tensor:
    """Means over blocks; those that reach beyond the edge have zeros there, and say less."""
    height, width = values.shape[-2:]
    return F.avg_pool2d(F.pad(values, (0, -width % side, 0, -height % side)), side)


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Canvas:
    """A result, or its lower part, with its input."""

    lq: Tensor
    """Whole input, RGB (3, H, W), in [0, 1] or uint8, on any device."""
    out: Tensor
    """The result on the CPU from `first` on, (3, s(H - first), sW), in [0, 1] or uint8."""
    first: int = 0
    """First LQ row of `out`, a multiple of `CELL`."""
    above: tuple[Comparison, ...] = ()
    """Comparisons of the rows above, which need no repair."""
    release: Callable[[], None] = _nothing
    """Called after each cell; frees the memory of an `out` that lies in a file."""
    compared: dict[int, Comparison] = field(default_factory=dict)
    """Comparisons by the number of the row of cells, without rows changed since."""

    def changed(self, rows: slice) -> None:
        """Forgets the comparison of the cells with these rows, and releases memory."""
        self.compared.pop(rows.start // CELL, None)
        self.release()

    def is_off(self, doubted: bool) -> bool:
        """Whether some of the result differs too much from its input.

        Args:
            doubted: Whether no loss counts as noise.
        """
        return bool(self.off(torch.tensor(doubted))[0].any())

    def off(self, patterns: Tensor) -> tuple[Tensor, Tensor]:
        """Wrong blocks, and blocks without noise: (h, w) bool each.

        Args:
            patterns: Known blocks without noise, (h, w) bool, or one value for all.
        """
        found = self.comparison()
        patterns = patterns | found.no_noise
        noise = Noise.of((*self.above, found))
        return found.off(patterns, noise, self.scale), patterns

    def comparison(self) -> Comparison:
        """Compares all rows; those that did not change since the last time are known."""
        parts, s = self.compared, self.scale
        for number, rows in enumerate(cells_along(self.own.shape[1])):
            if number not in parts:
                shown = self.out[:, rows.start * s : rows.stop * s]
                parts[number] = compare(self.own[:, rows], shown, s)
                self.release()
        return Comparison.joined(parts[number] for number in sorted(parts))

    @property
    def scale(self) -> int:
        """Upscaling factor of the result."""
        return self.out.shape[2] // self.lq.shape[2]

    @property
    def own(self) -> Tensor:
        """The rows of `lq` that `out` has."""
        return self.lq[:, self.first :]


def cells_along(length: int) -> Iterator[slice]:
    """The rows or columns of each cell of an axis."""
    for start in range(0, length, CELL):
        yield slice(start, min(start + CELL, length))
