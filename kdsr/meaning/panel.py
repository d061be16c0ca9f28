"""Draws panels of the IDR figure: text and shapes, similarities, places and heat maps."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..pixels import to_bytes
from .readings import Wording

MARGIN, GAP = 28, 20
INNER = 640
"""Width of a panel in one of the two columns."""
WHOLE = 2 * INNER + GAP
"""Width of a panel over both columns."""
WIDTH = WHOLE + 2 * MARGIN
"""Width of the figure in px: two columns make it about square, so that a node shows all of it."""
PAD = 20
"""Distance between a panel's edge and its content."""
SMALL, TEXT, LARGE = 26, 30, 44
"""Heights of letters, px."""

Colour = tuple[int, int, int] | tuple[int, int, int, int]
# An opaque card with its own contrast reads the same on dark and on light surroundings.
CARD, SHEET, GRID = (24, 27, 34), (34, 38, 48), (74, 81, 97)
INK, DIM = (236, 239, 244), (178, 186, 200)
FIRST, SECOND = (92, 184, 255), (255, 170, 64)  # distinct for colour-blind readers, too
GOOD, BAD = (120, 214, 150), (255, 128, 112)
_HEAT = np.array([(12, 16, 60), (52, 40, 140), (170, 50, 120), (240, 110, 50), (255, 225, 110)])
_FINE = 2  # factor of drawing size before reduction, as Pillow's shapes have jagged edges


class Panel:
    """One part of the figure. Coordinates are px of the finished panel, from its top left."""

    def __init__(
        self,
        say: Wording,
        height: float,
        title: str = "",
        note: str = "",
        colour: Colour = SHEET,
        width: int = INNER,
    ) -> None:
        """Makes an empty sheet with a title at its left and a note at its right.

        Args:
            say: Wording of the reader's language, which has the font.
            height: Height in px.
            title: Title in the reader's language.
            note: Note in the reader's language; its letters shrink to fit beside the title.
            colour: Colour of the sheet.
            width: Width in px.
        """
        self._say = say
        self.width, self.height = width, round(height)
        size = (self.width * _FINE, self.height * _FINE)
        self._image = Image.new("RGB", size, CARD)
        self._draw = ImageDraw.Draw(self._image, "RGBA")
        self._draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 10 * _FINE, colour)
        if title:
            self.text((PAD, 33), title, INK, anchor="lm")
        if note:
            room = self.width - 3 * PAD - self.text_width(title)
            size = self.fitted(note, room, SMALL, 12)
            self.text((self.width - PAD, 33), note, DIM, size, "rm")

    def text(
        self,
        at: tuple[float, float],
        words: str,
        colour: Colour = INK,
        size: int = TEXT,
        anchor: str = "lm",
        halo: int = 0,
    ) -> None:
        """Writes one line; `anchor` as in Pillow, `halo` px of the sheet's colour around it."""
        self._draw.text(
            (at[0] * _FINE, at[1] * _FINE), words, colour, font=self._font(size), anchor=anchor,
            stroke_width=halo * _FINE, stroke_fill=SHEET if halo else None,
        )  # fmt: skip

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float) -> None:
        """Draws a line through points, with round corners."""
        xy = [value for point in points for value in _fine(point)]
        self._draw.line(xy, colour, max(1, round(width * _FINE)), joint="curve")

    def box(self, corners: Sequence[float], colour: Colour, radius: float = 0) -> None:
        """Fills a rectangle (left, top, right, bottom) with rounded corners."""
        left, top, right, bottom = _fine(corners)
        if right < left or bottom < top:
            return
        self._draw.rounded_rectangle((left, top, right, bottom), radius * _FINE, colour)

    def oval(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        colour: Colour | None,
        edge: Colour | None = None,
        width: float = 2,
    ) -> None:
        """Fills and outlines an ellipse along the axes."""
        (x, y), (a, b) = centre, radii
        self._draw.ellipse(_fine((x - a, y - b, x + a, y + b)), colour, edge, round(width * _FINE))

    def picture(self, picture: Image.Image, at: tuple[float, float]) -> None:
        """Pastes a picture of `_FINE` times its size in the figure; see `fine_size`."""
        self._image.paste(picture, (round(at[0] * _FINE), round(at[1] * _FINE)))

    def text_width(self, words: str, size: int = TEXT) -> float:
        """Width of one line of text in px."""
        return self._font(size).getlength(words) / _FINE

    def fitted(self, words: str, width: float, size: int, least: int) -> int:
        """Largest height of letters, `least` to `size`, at which a line fits into `width`."""
        while size > least and self.text_width(words, size) > width:
            size -= 1
        return size

    def _font(self, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if self._say.font is None:
            return ImageFont.load_default(size * _FINE)
        return ImageFont.truetype(str(self._say.font), size * _FINE)  # Pillow 10.1 takes no Path

    def finished(self) -> Image.Image:
        """The finished panel, RGB, `width` x `height` px."""
        return self._image.reduce(_FINE)


def fine_size(width: float, height: float) -> tuple[int, int]:
    """Size in px of a picture that fills (width, height) of a panel, at least 1 x 1."""
    return max(1, round(width * _FINE)), max(1, round(height * _FINE))


def colours(heat: np.ndarray) -> np.ndarray:
    """Maps values from 0 to 1 to heat colours, (..., 3) in 0-255."""
    places = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(heat, places, _HEAT[:, c]) for c in range(3)], axis=-1)


def _fine(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(value * _FINE for value in values)


SHOWN = 8
"""Largest number of rows and columns of the table."""
LEAST_HEAT = 5.0
"""Smallest angle of full colour in degrees, so that small differences look small."""


def draw_similarity(say: Wording, note: str, cosine: Tensor, angles: Tensor) -> Panel:
    """Draws the similarity of one pair as a sentence, of several as a table, bright where alike.

    Args:
        say: Wording of the reader's language.
        note: Description of the compared vectors, in English.
        cosine: Cosine similarities (A, B) in [-1, 1].
        angles: Angles (A, B) in degrees.
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
_SHOWN = 64  # largest number of drawn images


def draw_places(
    say: Wording,
    names: Sequence[str],
    known: Tensor,
    own: Tensor,
    other: Tensor | None,
    nearest: str,
) -> Panel:
    """Draws references as dots in discs of their spread over photographs, and images above them.

    Args:
        say: Wording of the reader's language.
        names: Names of the references.
        known: Places of the references, (N, 2), in units of the spread over photographs.
        own: Places of the images, (B, 2).
        other: Places of the second IDRs, (B_other, 2), or None.
        nearest: Name of the first image's nearest reference in all dimensions.
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
    # The nearest reference gets its label first, as there may not be room for all.
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
    """Finds the top left of a label near its dot that covers nothing; None without free space.

    `gaps` are the distances from the dot to try, in px.
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
    """Draws angles as colours over the grey image, with a scale below.

    Args:
        say: Wording of the reader's language.
        angles: Angles of the cells in degrees, (rows, columns).
        image: RGB image (1, 3, H, W) in [0, 1].
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
