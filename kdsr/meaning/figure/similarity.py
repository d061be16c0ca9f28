"""How alike the vectors of two batches are."""

import numpy as np
from torch import Tensor

from ..wording import Wording
from .panel import CARD, DIM, INK, PAD, SMALL, Panel, colours

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
