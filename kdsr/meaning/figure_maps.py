"""Panels of the figure about IDRs: similarities, places and heat."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..pixels import to_bytes
from .panel import (
    CARD,
    DIM,
    FIRST,
    INK,
    INNER,
    PAD,
    SECOND,
    SHEET,
    SMALL,
    Panel,
    colours,
    fine_size,
)
from .readings import Wording

SHOWN = 8
"""Rows and columns of the table."""
LEAST_HEAT = 5.0
"""Degrees: smaller differences are not blown up to full colour."""


def draw_similarity(say: Wording, note: str, cosine: Tensor, angles: Tensor) -> Panel:
    """Draws one pair as a sentence, several as a table coloured by angle, bright where alike.

    Args:
        say: The language.
        note: What is compared, if there are several, in English.
        cosine: (A, B) in [-1, 1].
        angles: (A, B), the same in degrees.
    """
    shown = cosine[:SHOWN, :SHOWN]
    rows, columns = shown.shape
    if cosine.numel() == 1:
        alike = say("cosine similarity {value}", value=f"{cosine.item():.4f}")
        return Panel(say, 66, alike, say("{degrees} degrees apart", degrees=f"{angles.item():.1f}"))
    note = say(note)
    if cosine.shape != shown.shape:
        note = say("{what}: the first {rows} x {columns}", what=note, rows=rows, columns=columns)
    panel = Panel(say, 74 + 46 * rows, say("cosine similarity"), note)
    width = (panel.width - 2 * PAD - 44) / columns
    size = panel.fitted("0.000", width - 10, SMALL, 12)
    furthest = max(LEAST_HEAT, float(angles.max()))
    for a in range(rows):
        y = 62 + 46 * a
        panel.text((PAD + 30, y + 21), str(a + 1), DIM, SMALL, "rm")
        for b in range(columns):
            x = PAD + 44 + b * width
            heat = 1 - float(angles[a, b]) / furthest
            red, green, blue = (int(v) for v in colours(np.array(heat)))
            panel.box((x, y, x + width - 4, y + 42), (red, green, blue), 4)
            ink = CARD if heat > 0.7 else INK
            panel.text((x + width / 2, y + 21), f"{shown[a, b]:.3f}", ink, size, "mm")
    return panel


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


_HIGHEST = 560


def draw_heat(say: Wording, angles: Tensor, image: Tensor) -> Panel:
    """Draws the angles over the grey image, and their scale below.

    Args:
        say: The language.
        angles: Degrees, (rows, columns).
        image: RGB in [0, 1], (1, 3, H, W).
    """
    columns, rows = image.shape[-1], image.shape[-2]
    room = INNER - 2 * PAD
    zoom = min(room / columns, _HIGHEST / rows)
    width, height = columns * zoom, rows * zoom
    panel = Panel(say, height + 150, say("where in the image estimates differ"))
    size = fine_size(width, height)
    pixels = to_bytes(image[0].float().clamp(0, 1).mean(0)).cpu().numpy()
    grey = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    hottest = max(LEAST_HEAT, float(angles.max()))
    heat = Image.fromarray(to_bytes(angles / hottest).numpy())
    heat = heat.resize(size, Image.Resampling.BICUBIC)
    coloured = Image.fromarray(colours(np.asarray(heat) / 255).astype(np.uint8))
    panel.picture(Image.blend(grey, coloured, 0.6), (PAD, 62))
    top = 62 + height + 16
    scale = colours(np.linspace(0, 1, fine_size(400, 1)[0])).astype(np.uint8)[None]
    panel.picture(Image.fromarray(scale.repeat(fine_size(1, 18)[1], axis=0)), (PAD, top))
    panel.text((PAD, top + 40), "0", DIM, SMALL)
    panel.text(
        (PAD + 400, top + 40), say("{degrees} degrees", degrees=f"{hottest:.1f}"), DIM, SMALL, "rm"
    )
    mean = say("mean {degrees}", degrees=f"{angles.mean():.1f}")
    panel.text((panel.width - PAD, top + 10), mean, INK, SMALL, "rm")
    return panel
