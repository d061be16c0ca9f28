"""Layout arithmetic of tiled processing: integers only, no tensors.

All numbers are LQ pixels along one axis, counted from the image's first pixel; negative ones and
ones past the end wrap around.
"""

from dataclasses import dataclass
from typing import Protocol

from ..options import Size


@dataclass(frozen=True)
class Span:
    """One tile along one axis.

    Attributes:
        start: First pixel this tile is responsible for.
        stop: One past the last such pixel.
        window: First pixel of the window that is read to compute them.
        size: Pixels of that window.
    """

    start: int
    stop: int
    window: int
    size: int

    @property
    def length(self) -> int:
        """Pixels that this tile is responsible for."""
        return self.stop - self.start

    @property
    def offset(self) -> int:
        """Where `start` lies inside the window."""
        return self.start - self.window

    @property
    def inner(self) -> slice:
        """The tile's own pixels inside the window."""
        return slice(self.offset, self.offset + self.length)

    @property
    def own(self) -> slice:
        """The tile's own pixels in the image."""
        return slice(self.start, self.stop)

    def scaled(self, factor: int) -> "Span":
        """The same tile of an image that is `factor` times larger."""
        numbers = (self.start, self.stop, self.window, self.size)
        return Span(*(number * factor for number in numbers))


@dataclass(frozen=True)
class AxisPlan:
    """Tiles along one axis: they cover it once, in order, with windows of one size.

    Attributes:
        length: Pixels of the image along this axis.
        halo: Pixels of context on each side of a tile.
        spans: The tiles.
        wrap: Whether windows wrap around the image (seamless textures).
    """

    length: int
    halo: int
    spans: tuple[Span, ...]
    wrap: bool

    @property
    def size(self) -> int:
        """Pixels of every window."""
        return self.spans[0].size

    def source(self, span: Span) -> list[int]:
        """The image pixel behind each window pixel; windows that reach past the image wrap."""
        return [p % self.length for p in range(span.window, span.window + span.size)]

    def split(self, span: Span, most: int) -> tuple[Span, ...]:
        """The same pixels in tiles of at most so many, evened out, each with a window of its own.

        Args:
            span: One of `spans`, or a part of one.
            most: Pixels that a tile may be responsible for.
        """
        step = _parts(span.length, _parts(span.length, most))
        return tuple(
            self._alone(start, min(start + step, span.stop))
            for start in range(span.start, span.stop, step)
        )

    def _alone(self, start: int, stop: int) -> Span:
        first, end = start - self.halo, stop + self.halo
        if not self.wrap:
            first, end = max(0, first), min(self.length, end)
        return Span(start, stop, first, end - first)


def plan_axis(length: int, tile: int | None, halo: int, *, wrap: bool = False) -> AxisPlan:
    """Divides one axis into tiles whose windows all have the same size.

    A window that meets the image border is flush with it, so that the network's zero padding acts
    there just as in one pass; its tile is then larger by the halo that it does not need. Tiles are
    evened out: none is larger than asked for, and no window reads more than it has to.

    Args:
        length: Pixels of the image, at least 1.
        tile: Largest number of pixels between two halos, or None for one pass.
        halo: Pixels of context on each side of a tile.
        wrap: Continue the image circularly beyond both ends.
    """
    if wrap:
        count = 1 if tile is None else _parts(length, tile)
        step = _parts(length, count)
        starts = range(0, length, step)
        size = step + 2 * halo
        spans = tuple(Span(a, min(a + step, length), a - halo, size) for a in starts)
        return AxisPlan(length, halo, spans, wrap=True)
    if tile is None or length <= tile + 2 * halo:
        return AxisPlan(length, halo, (Span(0, length, 0, length),), wrap=False)
    count = _parts(length - 2 * halo, tile)
    step = _parts(length - 2 * halo, count)
    size = step + 2 * halo
    spans = []
    for i in range(count):
        start = halo + i * step if i else 0
        stop = min(length, halo + (i + 1) * step) if i < count - 1 else length
        if start < stop:
            spans.append(Span(start, stop, min(i * step, length - size), size))
    return AxisPlan(length, halo, tuple(spans), wrap=False)


def _parts(length: int, size: int) -> int:
    """How many parts of a size make a length, rounded up; of integers, however large."""
    return -(-length // size)


class Layout(Protocol):
    """Tiles in an image, all with windows of one size: a `TilePlan`, or some tiles alone."""

    @property
    def rows(self) -> AxisPlan:
        """Along the height."""
        ...

    @property
    def columns(self) -> AxisPlan:
        """Along the width."""
        ...

    @property
    def tiles(self) -> list[tuple[Span, Span]]:
        """(row span, column span) of every tile."""
        ...


@dataclass(frozen=True)
class TilePlan:
    """Tiles of an image: every pair of a row span and a column span.

    Attributes:
        rows: Along the height.
        columns: Along the width.
    """

    rows: AxisPlan
    columns: AxisPlan

    @property
    def tiles(self) -> list[tuple[Span, Span]]:
        """(row span, column span) of every tile, row by row."""
        return [(row, column) for row in self.rows.spans for column in self.columns.spans]

    @property
    def window_pixels(self) -> int:
        """Pixels that one tile's window holds."""
        return self.rows.size * self.columns.size


def plan_tiles(
    image: Size, tile: int | None, halo: int, *, wrap: tuple[bool, bool] = (False, False)
) -> TilePlan:
    """Plans both axes; see `plan_axis`. `wrap` is (along the width, along the height)."""
    return TilePlan(
        plan_axis(image.height, tile, halo, wrap=wrap[1]),
        plan_axis(image.width, tile, halo, wrap=wrap[0]),
    )
