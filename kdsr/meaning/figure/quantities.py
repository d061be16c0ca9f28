"""What was read off a vector: blur, noise and JPEG on scales, with their errors."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..readings import Measured, Reading
from .panel import (
    BAD,
    DIM,
    FIRST,
    GOOD,
    GRID,
    INK,
    LARGE,
    PAD,
    SECOND,
    SHEET,
    SMALL,
    TEXT,
    Panel,
    fitted,
    text_width,
)  # fmt: skip

_ROW = 58
_LEFT, _RIGHT = 220, 610  # of the scales
_SHOWN = 32  # readings drawn of a batch


@dataclass(frozen=True)
class _Quantity:
    label: str
    name: str
    most: float
    """At the right end of the scale, unless a reading is larger."""
    unit: str
    digits: int


_QUANTITIES = (
    _Quantity("blur, long", "blur_long", 5, " px", 1),
    _Quantity("blur, short", "blur_short", 5, " px", 1),
    _Quantity("noise", "noise", 30, "/255", 0),
    _Quantity("JPEG quality", "quality", 100, "", 0),
)


def draw_readings(first: Sequence[Reading], second: Sequence[Reading] = ()) -> Panel:
    """Draws the first reading in words and on scales, the others of its batch as faint marks.

    Args:
        first: Of the IDR that is shown, one or more.
        second: Of the one it is compared with.
    """
    panel = Panel(128 + _ROW * len(_QUANTITIES))
    words, where = first[0].words.rsplit("; ", 1)
    size = fitted(words, panel.width - 2 * PAD, LARGE, TEXT)
    panel.text((PAD, 42), words[0].upper() + words[1:], INK, size)
    colour = GOOD if first[0].inside else BAD
    panel.oval((PAD + 9, 92), (9, 9), colour)
    panel.text((PAD + 30, 92), where, colour, SMALL)
    if first[0].inside:
        share = f"(further out than {first[0].percentile:.0%} of its images)"
        panel.text((PAD + 38 + text_width(where, SMALL), 92), share, DIM, SMALL)
    for row, quantity in enumerate(_QUANTITIES):
        _draw_row(panel, 142 + _ROW * row, quantity, first, second)
    return panel


def _draw_row(
    panel: Panel, y: float, quantity: _Quantity, first: Sequence[Reading], second: Sequence[Reading]
) -> None:
    panel.text((PAD, y), quantity.label, DIM, SMALL)
    own: list[Measured | None] = [getattr(reading, quantity.name) for reading in first[:_SHOWN]]
    others: list[Measured | None] = [getattr(reading, quantity.name) for reading in second[:1]]
    shown = [measured.value + measured.error for measured in own + others if measured]
    most = max([quantity.most, *shown])

    def x(value: float) -> float:
        return _LEFT + min(max(value / most, 0), 1) * (_RIGHT - _LEFT)

    panel.box((_LEFT, y - 3, _RIGHT, y + 3), GRID, 3)
    for measured in own[1:]:
        if measured:
            panel.box((x(measured.value) - 1.5, y - 12, x(measured.value) + 1.5, y + 12), DIM)
    for measured, colour in ((others[0] if others else None, SECOND), (own[0], FIRST)):
        if measured:
            low, high = x(measured.value - measured.error), x(measured.value + measured.error)
            panel.box((low, y - 7, high, y + 7), (*colour[:3], 110), 7)
            panel.oval((x(measured.value), y), (11, 11), colour, SHEET, 2)
    right = (panel.width - PAD, y)
    if own[0]:
        value, error = (f"{v:.{quantity.digits}f}" for v in (own[0].value, own[0].error))
        panel.text(right, f"{value}{quantity.unit} ± {error}", INK, TEXT, "rm")
    else:
        panel.text(right, _absent(quantity, first[0]), DIM, SMALL, "rm")


def _absent(quantity: _Quantity, reading: Reading) -> str:
    if quantity.name == "quality" and reading.compressed is not None and reading.compressed < 0.5:
        return "no JPEG"
    return "cannot be told reliably"
