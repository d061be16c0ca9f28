"""Draws text, screens, line art and dither into training crops, as photographs have few of them."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from train.data.drawn import dots, figures, pages
from train.data.drawn.ink import Drawing, Rng

KINDS: dict[str, Drawing] = {
    "text": pages.text,
    "printed": pages.printed,
    "code": pages.code,
    "table": pages.table,
    "music": pages.music,
    "subtitles": pages.subtitles,
    "pixel_font": pages.pixel_font,
    "lines": figures.lines,
    "grid": figures.grid,
    "rings": figures.rings,
    "line_art": figures.line_art,
    "city_map": figures.city_map,
    "contours": figures.contours,
    "chart": figures.chart,
    "panel": figures.panel,
    "poster": figures.poster,
    "screentone": dots.screentone,
    "print_screen": dots.print_screen,
    "hatching": dots.hatching,
    "ordered_dither": dots.ordered_dither,
    "diffused_dither": dots.diffused_dither,
    "pixel_art": dots.pixel_art,
    "checker": dots.checker,
    "scanlines": dots.scanlines,
    "matrix_code": dots.matrix_code,
}
"""All kinds of drawings by name; `_CHANCES` makes some more frequent."""
_CHANCES = [*KINDS, "text", "printed", "printed", "panel"]
_BESIDE = 0.25  # share of drawings that keep a part of the photograph
_SMALLEST = 16  # smallest side of such a part, pixels


def draw_pattern(crop: Tensor, rng: np.random.Generator) -> Tensor:
    """Draws one of `KINDS`, over the crop or instead of it.

    Args:
        crop: Training crop (H, W, 3), uint8.
        rng: Random generator.

    Returns:
        A new (H, W, 3) uint8 tensor on the same device.
    """
    return draw_kind(crop, _CHANCES[int(rng.integers(len(_CHANCES)))], rng)


def draw_kind(crop: Tensor, kind: str, rng: np.random.Generator) -> Tensor:
    """Draws a given kind; see `draw_pattern`. A quarter of the drawings keep a part of the crop."""
    image = Image.fromarray(crop.cpu().numpy())
    drawn = KINDS[kind](image, rng)
    if rng.random() < _BESIDE and min(image.size) >= 2 * _SMALLEST:
        box = _part(image.size, rng)
        drawn.paste(image.crop(box), box)
    return torch.from_numpy(np.array(drawn)).to(crop.device)


def _part(size: tuple[int, int], rng: Rng) -> tuple[int, int, int, int]:
    """Box (left, top, right, bottom) of one side of a picture, or of a rectangle at its top."""
    width, height = size
    if rng.random() < 0.5:
        edge = int(rng.integers(_SMALLEST, width - _SMALLEST + 1))
        return (0, 0, edge, height) if rng.random() < 0.5 else (edge, 0, width, height)
    right, bottom = (int(rng.integers(_SMALLEST, n + 1)) for n in size)
    return right - _SMALLEST - int(rng.integers(right - _SMALLEST + 1)), 0, right, bottom
