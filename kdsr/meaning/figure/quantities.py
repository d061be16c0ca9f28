"""What was read off a vector: blur, noise and JPEG on scales, with their errors."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..readings import Measured, Reading
from ..wording import Wording
from .panel import DIM, FIRST, GRID, INK, PAD, SECOND, SHEET, SMALL, Colour, Panel

_ROW = 66
_LEFT, _RIGHT = 200, 420  # of the scales
_SHOWN = 32  # readings drawn of a batch


@dataclass(frozen=True)
class _Quantity:
    label: str
    name: str
    most: float
    """At the right end of the scale, unless a reading is larger."""
    unit: str


_QUANTITIES = (
    _Quantity("blur, long", "blur_long", 5, " px"),
    _Quantity("blur, short", "blur_short", 5, " px"),
    _Quantity("noise", "noise", 30, "/255"),
    _Quantity("JPEG quality", "quality", 100, ""),
)


def draw_readings(say: Wording, first: Sequence[Reading], second: Sequence[Reading] = ()) -> Panel:
    """Draws the first reading on scales, the others of its batch as faint marks.

    Args:
        say: The language.
        first: Of the IDR that is shown, one or more.
        second: Of the one it is compared with.
    """
    height = 80 + _ROW * len(_QUANTITIES)
    panel = Panel(say, height, say("what was read"), say("± holds 4 times in 5"))
    for row, quantity in enumerate(_QUANTITIES):
        _draw_row(say, panel, 100 + _ROW * row, quantity, first, second)
    return panel


def _draw_row(
    say: Wording,
    panel: Panel,
    y: float,
    quantity: _Quantity,
    first: Sequence[Reading],
    second: Sequence[Reading],
) -> None:
    label = say(quantity.label)
    panel.text((PAD, y), label, DIM, panel.fitted(label, _LEFT - PAD - 12, SMALL, 12))
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
    if second:
        _draw_number(say, panel, y - 16, quantity, first[0], FIRST)
        _draw_number(say, panel, y + 16, quantity, second[0], SECOND)
    else:
        _draw_number(say, panel, y, quantity, first[0], INK)


def _draw_number(
    say: Wording, panel: Panel, y: float, quantity: _Quantity, reading: Reading, colour: Colour
) -> None:
    measured: Measured | None = getattr(reading, quantity.name)
    right = (panel.width - PAD, y)
    if measured is None:
        panel.text(right, say(_absent(quantity, reading)), DIM, SMALL, "rm")
    else:
        written = f"{measured.number}{quantity.unit} {measured.margin}"
        panel.text(right, written, colour, SMALL, "rm")


def _absent(quantity: _Quantity, reading: Reading) -> str:
    return "no JPEG" if quantity.name == "quality" and reading.uncompressed else "cannot be told"
