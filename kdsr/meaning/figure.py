"""Draws panels of the IDR figure: words, quantities and vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .panel import (
    BAD,
    CARD,
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
    WHOLE,
    Colour,
    Panel,
)  # fmt: skip
from .readings import Measured, Reading, Wording

_ROW = 66
_LEFT, _RIGHT = 200, 420  # ends of the scales, px
_SHOWN = 32  # largest number of drawn readings


@dataclass(frozen=True)
class _Quantity:
    label: str
    name: str
    most: float
    """Value at the right end of the scale, unless a reading is larger."""
    unit: str


_QUANTITIES = (
    _Quantity("blur, long", "blur_long", 5, " px"),
    _Quantity("blur, short", "blur_short", 5, " px"),
    _Quantity("noise", "noise", 30, "/255"),
    _Quantity("JPEG quality", "quality", 100, ""),
)


def draw_readings(say: Wording, first: Sequence[Reading], second: Sequence[Reading] = ()) -> Panel:
    """Draws the first reading on scales, and the others of its batch as faint marks.

    Args:
        say: Wording of the reader's language.
        first: Readings of the shown IDR, one or more.
        second: Readings of the IDR to compare with.
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


_HEIGHT = 150


def draw_vectors(say: Wording, title: str, values: Tensor, other: Tensor | None = None) -> Panel:
    """Draws a batch's mean as bars, its extremes as whiskers, and a second batch as a line.

    Args:
        say: Wording of the reader's language.
        title: Title of the panel, in English.
        values: Vectors (B, N).
        other: Vectors to compare with, (B_other, N), or None.
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


LISTED = 8
"""Largest number of images that are described one by one."""
_LINE, _TOP, _TITLE = 44, 62, TEXT + 4
_LEAST = 18  # smallest height of letters, px


@dataclass(frozen=True)
class _Line:
    """Line about one image."""

    label: str
    colour: Colour
    words: str
    place: str
    good: bool


def draw_words(
    say: Wording,
    title: str,
    note: str,
    first: Sequence[Reading],
    second: Sequence[Reading],
    *,
    two: bool,
) -> Panel:
    """Draws one reading in large letters or several as a list, with their place in the range.

    Args:
        say: Wording of the reader's language.
        title: Title of the panel.
        note: Text at the right.
        first: Readings of the shown IDRs; none without a calibration.
        second: Readings of the IDRs to compare with.
        two: Whether there are two batches, whose colours the panel then explains.
    """
    if len(first) == 1 and not two:
        return _large(say, title, note, first[0])
    lines = [*_lines(say, first, FIRST), *_lines(say, second, SECOND)]
    panel = _titled(say, _TOP + _LINE * len(lines) - 18 * (not lines), title, note)
    if two:
        left = 40 + panel.text_width(title, _TITLE)
        for name, colour in (("first", FIRST), ("second", SECOND)):
            panel.box((left, 8, left + 20, 28), colour, 4)
            panel.text((left + 30, 18), say(name), DIM, SMALL)
            left += 60 + panel.text_width(say(name), SMALL)
    for row, line in enumerate(lines):
        _draw_line(panel, _TOP + 14 + _LINE * row, line)
    return panel


def _titled(say: Wording, height: float, title: str, note: str) -> Panel:
    panel = Panel(say, height, colour=CARD, width=WHOLE)
    panel.text((0, 18), title, size=_TITLE)
    panel.text((panel.width, 18), note, DIM, SMALL, "rm")
    return panel


def _large(say: Wording, title: str, note: str, reading: Reading) -> Panel:
    panel = _titled(say, 160, title, note)
    summary, where = reading.summary(say), reading.range(say)
    words = summary[0].upper() + summary[1:]
    panel.text((0, 86), words, INK, panel.fitted(words, panel.width, LARGE, _LEAST))
    colour = GOOD if reading.enough and reading.inside else BAD
    panel.oval((9, 138), (9, 9), colour)
    panel.text((30, 138), where, colour, SMALL)
    if reading.enough and reading.inside:
        share = say("(further out than {share} of its images)", share=f"{reading.percentile:.0%}")
        panel.text((38 + panel.text_width(where, SMALL), 138), share, DIM, SMALL)
    return panel


def _lines(say: Wording, readings: Sequence[Reading], colour: Colour) -> list[_Line]:
    lines = [
        _Line(str(i + 1), colour, r.summary(say), r.range(say), r.enough and r.inside)
        for i, r in enumerate(readings[:LISTED])
    ]
    if len(readings) > LISTED:
        rest = say("... and {left} more", left=len(readings) - LISTED)
        lines.append(_Line("", colour, rest, "", good=True))
    return lines


def _draw_line(panel: Panel, y: float, line: _Line) -> None:
    panel.box((0, y - 19, panel.width, y + 19), SHEET, 6)
    panel.box((0, y - 19, 8, y + 19), line.colour, 4)
    panel.text((46, y), line.label, DIM, SMALL, "rm")
    panel.text((panel.width - 14, y), line.place, DIM if line.good else BAD, SMALL, "rm")
    room = panel.width - 100 - panel.text_width(line.place, SMALL)
    panel.text((64, y), line.words, INK, panel.fitted(line.words, room, TEXT, _LEAST))
