"""Which windows of a large image an IDR is estimated from: few, the same ones every time."""

from dataclasses import dataclass

from ..tiles.plan import AxisPlan, Span

CELL = 48
"""LQ pixels of a cell along each axis: features are averaged, and judged, by cells."""
WINDOWS = 28
"""Of a large image, one cell each."""
BUDGET = 384 * 384
"""LQ pixels that are all looked at; of more, windows of about as many together."""
_GOLDEN = 0.6180339887498949
"""Steps of it, around and around, leave no gap that is much larger than the others."""


@dataclass(frozen=True)
class SampledWindows:
    """Windows in an image; stands in for a `TilePlan` that covers it."""

    rows: AxisPlan
    """The rows of each window."""
    columns: AxisPlan
    """The columns of each, in the same order."""

    @property
    def tiles(self) -> list[tuple[Span, Span]]:
        """(row span, column span) of every window."""
        return list(zip(self.rows.spans, self.columns.spans, strict=True))


def sample_windows(height: int, width: int, halo: int) -> SampledWindows:
    """Chooses windows: by the size of the image alone, and alike for sizes that are alike.

    Args:
        height: LQ pixels of the image.
        width: Likewise.
        halo: LQ pixels around each cell that the estimator sees.
    """
    numbers = range(WINDOWS)
    down = [(number * _GOLDEN + 0.5) % 1 for number in numbers]
    across = [(number + 0.5) / WINDOWS for number in numbers]
    return SampledWindows(_axis(height, halo, down), _axis(width, halo, across))


def _axis(length: int, halo: int, places: list[float]) -> AxisPlan:
    size = min(length, CELL + 2 * halo)
    own = min(length, CELL)
    spans = []
    for place in places:
        window = round(place * (length - size))
        start = window + (size - own) // 2
        spans.append(Span(start, start + own, window, size))
    return AxisPlan(length, halo, tuple(spans), wrap=False)
