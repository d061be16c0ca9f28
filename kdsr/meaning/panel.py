"""One panel of a figure: text and shapes, drawn fine and then reduced."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .readings import Wording

MARGIN, GAP = 28, 20
INNER = 640
"""Width of a panel in one of the two columns."""
WHOLE = 2 * INNER + GAP
"""Of one over both."""
WIDTH = WHOLE + 2 * MARGIN
"""Of the figure, px: with two columns about as wide as high, so that a node shows it whole."""
PAD = 20
"""Between a panel's edge and what it shows."""
SMALL, TEXT, LARGE = 26, 30, 44
"""Heights of letters, px."""

Colour = tuple[int, int, int] | tuple[int, int, int, int]
# An opaque card with its own contrast reads the same on dark and on light surroundings.
CARD, SHEET, GRID = (24, 27, 34), (34, 38, 48), (74, 81, 97)
INK, DIM = (236, 239, 244), (178, 186, 200)
FIRST, SECOND = (92, 184, 255), (255, 170, 64)  # told apart by the colour-blind too
GOOD, BAD = (120, 214, 150), (255, 128, 112)
_HEAT = np.array([(12, 16, 60), (52, 40, 140), (170, 50, 120), (240, 110, 50), (255, 225, 110)])
_FINE = 2  # drawn this much larger, then reduced: Pillow's shapes have jagged edges


class Panel:
    """One part of the figure. Coordinates are px of the finished figure, from its top left."""

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
            say: Has the letters that texts are drawn with; the texts are in its language.
            height: px.
            title: Its room is what the note leaves.
            note: Drawn smaller where it would reach the title.
            colour: Of the sheet.
            width: px.
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
        """Draws through points, with round corners."""
        xy = [value for point in points for value in _fine(point)]
        self._draw.line(xy, colour, max(1, round(width * _FINE)), joint="curve")

    def box(self, corners: Sequence[float], colour: Colour, radius: float = 0) -> None:
        """Fills left, top, right, bottom."""
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
        """Of one line, px."""
        return self._font(size).getlength(words) / _FINE

    def fitted(self, words: str, width: float, size: int, least: int) -> int:
        """The largest height of letters, `least` to `size`, at which a line fits into `width`."""
        while size > least and self.text_width(words, size) > width:
            size -= 1
        return size

    def _font(self, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if self._say.font is None:
            return ImageFont.load_default(size * _FINE)
        return ImageFont.truetype(str(self._say.font), size * _FINE)  # Pillow 10.1 takes no Path

    def finished(self) -> Image.Image:
        """The panel, RGB, `width` x `height`."""
        return self._image.reduce(_FINE)


def fine_size(width: float, height: float) -> tuple[int, int]:
    """Px that a picture needs to fill (width, height) of the figure, at least 1 x 1."""
    return max(1, round(width * _FINE)), max(1, round(height * _FINE))


def colours(heat: np.ndarray) -> np.ndarray:
    """Maps 0 to 1 onto the heat colours, (..., 3) in 0-255."""
    places = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(heat, places, _HEAT[:, c]) for c in range(3)], axis=-1)


def _fine(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(value * _FINE for value in values)
