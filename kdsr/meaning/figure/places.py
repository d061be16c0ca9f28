"""Where an image lies among known degradations, in two dimensions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..wording import Wording
from .panel import DIM, FIRST, INK, PAD, SECOND, SHEET, SMALL, Panel

_HEIGHT, _TOP = 480, 70
_SPREAD = (120, 132, 156, 60)
_DOT = (150, 162, 186)
_SHOWN = 64  # images of a batch


def draw_places(
    say: Wording,
    names: Sequence[str],
    known: Tensor,
    own: Tensor,
    other: Tensor | None,
    nearest: str,
) -> Panel:
    """Draws references as dots in discs as wide as they vary over photographs, and images in front.

    Args:
        say: The language.
        names: Of the references.
        known: Their places, (N, 2), in units of the spread over photographs.
        own: Of the images, (B, 2).
        other: Of the second IDR, (B_other, 2).
        nearest: The reference that the first image is most like, in all dimensions.
    """
    panel = Panel(
        say, _HEIGHT, say("most like {name}", name=say(nearest)), say("known degradations")
    )
    points = torch.cat([known - 1, known + 1, own, *([] if other is None else [other])])
    low, high = points.amin(0), points.amax(0)
    span = (high - low).clamp_min(1e-6)
    left, right, bottom = PAD + 14, panel.width - PAD - 14, _HEIGHT - PAD - 14
    unit = torch.tensor([right - left, bottom - _TOP]) / span

    def at(place: Tensor) -> tuple[float, float]:
        x, y = ((place - low) * unit).tolist()
        return left + x, bottom - y

    for place in known:
        panel.oval(at(place), (float(unit[0]), float(unit[1])), _SPREAD)
    marks = [at(place) for place in own[:_SHOWN]]
    if other is not None:
        marks += [at(place) for place in other[:1]]
    taken = [(x - 16, y - 16, x + 16, y + 16) for x, y in marks]
    dots = [at(place) for place in known]
    taken += [(x - 6, y - 6, x + 6, y + 6) for x, y in dots]
    for x, y in dots:
        panel.oval((x, y), (6, 6), _DOT)
    # Where there is no room for all names, the one that matters comes first.
    for name, (x, y) in sorted(zip(names, dots, strict=True), key=lambda item: item[0] != nearest):
        gaps = (12, 30, 48) if name == nearest else (12,)
        label = say(name)
        width = panel.text_width(label, SMALL)
        corner = _free_corner(panel, (x, y), width, taken, gaps)
        if corner:
            ink = INK if name == nearest else DIM
            panel.text((corner[0], corner[1] + SMALL / 2), label, ink, SMALL, "lm", halo=3)
            taken.append((*corner, corner[0] + width, corner[1] + SMALL))
    if other is not None:
        panel.oval(at(other[0]), (13, 13), SECOND, SHEET, 3)
    for place in own[1:_SHOWN]:
        panel.oval(at(place), (7, 7), (*FIRST[:3], 150))
    panel.oval(at(own[0]), (14, 14), FIRST, INK, 3)
    return panel


def _free_corner(
    panel: Panel,
    dot: tuple[float, float],
    width: float,
    taken: Sequence[tuple[float, float, float, float]],
    gaps: Sequence[int],
) -> tuple[float, float] | None:
    """Top left of a label beside its dot that covers nothing, or None if there is no such place.

    `gaps` are the distances from the dot to try, px.
    """
    x, y = dot
    for gap in gaps:
        for top in (y - SMALL / 2, y - SMALL - gap + 4, y + gap - 4):
            for left in (x + gap, x - gap - width, x - width / 2):
                box = (left, top, left + width, top + SMALL)
                inside = left >= 8 and box[2] <= panel.width - 8
                inside = inside and top >= _TOP - 16 and box[3] <= _HEIGHT - 4
                if inside and not any(_overlap(box, other) for other in taken):
                    return left, top
    return None


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
