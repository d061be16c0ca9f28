"""How alike the vectors of two batches are."""

import numpy as np
from torch import Tensor

from .panel import CARD, DIM, INK, PAD, SMALL, Panel, colours

SHOWN = 8
"""Rows and columns of the table."""
LEAST_HEAT = 5.0
"""Degrees: smaller differences are not blown up to full colour."""


def draw_similarity(title: str, cosine: Tensor, angles: Tensor) -> Panel:
    """Draws one pair as a sentence, several as a table coloured by angle, which spreads better.

    Args:
        title: Of the panel.
        cosine: (A, B) in [-1, 1].
        angles: (A, B), the same in degrees.
    """
    shown = cosine[:SHOWN, :SHOWN]
    rows, columns = shown.shape
    if cosine.numel() == 1:
        return Panel(66, f"{title}  {cosine.item():.4f}", f"{angles.item():.1f} degrees apart")
    total = f"{len(cosine)} x {len(cosine[0])}"
    note = "" if cosine.shape == shown.shape else f"first {rows} x {columns} of {total}"
    panel = Panel(74 + 46 * rows, title, note)
    width = (panel.width - 2 * PAD - 44) / columns
    hottest = max(LEAST_HEAT, float(angles.max()))
    for a in range(rows):
        y = 62 + 46 * a
        panel.text((PAD + 30, y + 21), str(a + 1), DIM, SMALL, "rm")
        for b in range(columns):
            x = PAD + 44 + b * width
            heat = float(angles[a, b]) / hottest
            red, green, blue = (int(v) for v in colours(np.array(heat)))
            panel.box((x, y, x + width - 4, y + 42), (red, green, blue), 4)
            ink = CARD if heat > 0.7 else INK
            panel.text((x + width / 2, y + 21), f"{shown[a, b]:.3f}", ink, SMALL, "mm")
    return panel
