"""The vector itself, as bars."""

from torch import Tensor

from ..wording import Wording
from .panel import DIM, FIRST, GRID, INK, PAD, SECOND, SMALL, Panel

_HEIGHT = 150


def draw_vectors(say: Wording, title: str, values: Tensor, other: Tensor | None = None) -> Panel:
    """Draws bars of a batch's mean, whiskers from least to most, and a second one as a line.

    Args:
        say: The language.
        title: Of the panel, in English.
        values: (B, N).
        other: (B_other, N).
    """
    panel = Panel(say, _HEIGHT, say(title))
    top, bottom, left, right = 64, _HEIGHT - 16, 92, panel.width - PAD
    means, least, most = values.mean(0), values.amin(0), values.amax(0)
    seconds = other.mean(0) if other is not None else means
    low = min(0.0, float(least.min()), float(seconds.min()))
    high = max(0.0, float(most.max()), float(seconds.max()))
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return bottom - (value - low) / span * (bottom - top)

    for mark in {low, 0.0, high}:
        panel.line([(left, y(mark)), (right, y(mark))], GRID, 1)
    panel.text((left - 10, y(high)), f"{high:.2g}", DIM, SMALL, "rm")
    panel.text((left - 10, y(0)), "0", DIM, SMALL, "rm")
    step = (right - left) / len(means)
    for i, mean in enumerate(means.tolist()):
        x0, x1 = left + i * step, left + (i + 0.8) * step
        panel.box((x0, min(y(mean), y(0)), x1, max(y(mean), y(0))), FIRST)
        if len(values) > 1:
            x = (x0 + x1) / 2
            panel.line([(x, y(float(least[i]))), (x, y(float(most[i])))], INK, 1.5)
    if other is not None:
        corners = [
            (left + (i + side) * step, y(value))
            for i, value in enumerate(seconds.tolist())
            for side in (0, 1)
        ]
        panel.line(corners, SECOND, 3)
    return panel
