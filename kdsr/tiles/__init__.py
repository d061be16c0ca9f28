"""Layout arithmetic of tiled processing: integers only, no tensors. `work` runs over the tiles.

All numbers are LQ pixels along one axis, counted from the image's first pixel. Numbers below 0 and
past the end wrap around.

May import: the files at the top of `kdsr`; nothing else.
"""

from dataclasses import dataclass
from typing import Protocol

from ..options import Size


@dataclass(frozen=True)
class Span:
    """One tile along one axis.

    Attributes:
        start: First pixel of the tile.
        stop: One past its last pixel.
        window: First pixel of the window that the tile is computed from.
        size: Length of the window in pixels.
    """

    start: int
    stop: int
    window: int
    size: int

    @property
    def length(self) -> int:
        """Length of the tile in pixels."""
        return self.stop - self.start

    @property
    def offset(self) -> int:
        """Position of `start` inside the window."""
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
        """The same tile of an image that is `factor` times as large."""
        numbers = (self.start, self.stop, self.window, self.size)
        return Span(*(number * factor for number in numbers))


@dataclass(frozen=True)
class AxisPlan:
    """Tiles along one axis, which cover it once, in order, with windows of one size.

    Attributes:
        length: Length of the image along this axis in pixels.
        halo: Number of context pixels on each side of a tile.
        spans: Tiles in order.
        wrap: Whether windows wrap around the image, for seamless textures.
    """

    length: int
    halo: int
    spans: tuple[Span, ...]
    wrap: bool

    @property
    def size(self) -> int:
        """Length of every window in pixels."""
        return self.spans[0].size

    def source(self, span: Span) -> list[int]:
        """The image pixel of each window pixel; windows past the image's end wrap around."""
        return [p % self.length for p in range(span.window, span.window + span.size)]

    def split(self, span: Span, most: int) -> tuple[Span, ...]:
        """Splits a tile into even smaller ones, each with its own window.

        Args:
            span: One of `spans`, or a part of one.
            most: Largest length of a part in pixels.
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


def plan_axis(
    length: int, tile: int | None, halo: int, *, wrap: bool = False, multiple: int = 1
) -> AxisPlan:
    """Divides one axis into tiles whose windows all have the same size.

    A window at the image border ends there, so that the network's zero padding acts as in one pass.
    Its tile is longer by the unneeded halo. Tiles have nearly equal lengths, at most `tile`, and
    windows are as short as possible.

    Args:
        length: Length of the image in pixels, at least 1.
        tile: Largest number of pixels between two halos, or None for one pass.
        halo: Number of context pixels on each side of a tile.
        wrap: Whether to continue the image circularly beyond both ends.
        multiple: Number of which the length of windows shall be a multiple; they are longer than
            needed then. One window for the whole axis keeps its length, and `tile` its limit.
    """
    if wrap:
        count = 1 if tile is None else _parts(length, tile)
        step = _parts(length, count)
        if tile is not None and count > 1:
            step = _rounded(step, tile, halo, multiple)
        starts = range(0, length, step)
        size = step + 2 * halo
        spans = tuple(Span(a, min(a + step, length), a - halo, size) for a in starts)
        return AxisPlan(length, halo, spans, wrap=True)
    if tile is None or length <= tile + 2 * halo:
        return AxisPlan(length, halo, (Span(0, length, 0, length),), wrap=False)
    count = _parts(length - 2 * halo, tile)
    step = _rounded(_parts(length - 2 * halo, count), tile, halo, multiple)
    size = step + 2 * halo
    spans = []
    for i in range(count):
        start = halo + i * step if i else 0
        stop = min(length, halo + (i + 1) * step) if i < count - 1 else length
        if start < stop:
            spans.append(Span(start, stop, min(i * step, length - size), size))
    return AxisPlan(length, halo, tuple(spans), wrap=False)


def _rounded(step: int, tile: int, halo: int, multiple: int) -> int:
    """The length of a tile, at most `tile`, whose window is a multiple if that is possible."""
    return min(tile, step + -(step + 2 * halo) % multiple)


def _parts(length: int, size: int) -> int:
    """The number of parts of a size in a length, rounded up; exact for any integers."""
    return -(-length // size)


class Layout(Protocol):
    """Tiles of an image with windows of one size: a `TilePlan`, or a selection of tiles."""

    @property
    def rows(self) -> AxisPlan:
        """Tiles along the height."""
        ...

    @property
    def columns(self) -> AxisPlan:
        """Tiles along the width."""
        ...

    @property
    def tiles(self) -> list[tuple[Span, Span]]:
        """Pairs (row span, column span), one per tile."""
        ...


@dataclass(frozen=True)
class TilePlan:
    """Tiles of an image: all pairs of a row span and a column span.

    Attributes:
        rows: Tiles along the height.
        columns: Tiles along the width.
    """

    rows: AxisPlan
    columns: AxisPlan

    @property
    def tiles(self) -> list[tuple[Span, Span]]:
        """Pairs (row span, column span), one per tile, row by row."""
        return [(row, column) for row in self.rows.spans for column in self.columns.spans]

    @property
    def window_pixels(self) -> int:
        """Number of pixels in a window."""
        return self.rows.size * self.columns.size


def plan_tiles(
    image: Size,
    tile: int | None,
    halo: int,
    *,
    wrap: tuple[bool, bool] = (False, False),
    multiple: int = 1,
) -> TilePlan:
    """Plans the tiles of an image; see `plan_axis`.

    `wrap` is (along width, along height). `multiple` holds for the widths of windows.
    """
    return TilePlan(
        plan_axis(image.height, tile, halo, wrap=wrap[1]),
        plan_axis(image.width, tile, halo, wrap=wrap[0], multiple=multiple),
    )
