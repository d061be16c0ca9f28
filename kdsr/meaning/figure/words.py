"""The top of the figure: whose IDRs these are, and what each says in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..readings import Reading
from ..wording import Wording
from .panel import (
    BAD,
    CARD,
    DIM,
    FIRST,
    GOOD,
    INK,
    LARGE,
    SECOND,
    SHEET,
    SMALL,
    TEXT,
    WHOLE,
    Colour,
    Panel,
)  # fmt: skip

LISTED = 8
"""Images of a batch that are described one by one."""
_LINE, _TOP, _TITLE = 44, 62, TEXT + 4
_LEAST = 18  # height of letters, px


@dataclass(frozen=True)
class _Line:
    """One image."""

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
    """Draws one reading large, several as a list, each with whether it is inside the range.

    Args:
        say: The language.
        title: Whose they are.
        note: At the right.
        first: Of the IDRs that are shown; none without a calibration.
        second: Of those they are compared with.
        two: Whether there are any to compare with, read or not: the colours are explained.
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
