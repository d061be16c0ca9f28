"""Shared parts of all drawings: colours, words, and a pen with soft or hard edges."""

import string
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Rng = np.random.Generator
Drawing = Callable[[Image.Image, Rng], Image.Image]
_SYMBOLS = string.ascii_letters + string.digits + ".,:;!?&%()[]+-=/"
_LETTERS = string.ascii_lowercase
_HARD = 0.25  # share of drawings with hard edges
_APART = 70  # least difference in brightness of two tones


def colour(rng: Rng) -> Colour:
    """A random colour; in half of the cases black, white or close to them, as on most pages."""
    if rng.random() < 0.5:
        value = int(rng.choice((0, 20, 235, 255)))
        return value, value, value
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def tones(rng: Rng) -> tuple[Colour, Colour]:
    """Two clearly different colours, for a page and its ink."""
    while True:
        page, ink = colour(rng), colour(rng)
        if abs(sum(page) - sum(ink)) > 3 * _APART:
            return page, ink


def between(page: Colour, ink: Colour, share: float) -> Colour:
    """Mixes two colours; a share of 0 gives the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(page, ink, strict=True))
    return red, green, blue


def word(rng: Rng, most: int = 9) -> str:
    """A random word of up to `most` letters, or a number."""
    if rng.random() < 0.12:
        return str(int(rng.integers(0, 10 ** int(rng.integers(1, 5)))))
    letters = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, most + 1))))
    return letters.capitalize() if rng.random() < 0.2 else letters


def words(rng: Rng, length: int) -> str:
    """Random words of at least `length` characters in total."""
    found = word(rng)
    while len(found) < length:
        found += " " + word(rng)
    return found


def symbols(rng: Rng, length: int) -> str:
    """`length` random letters, digits, signs and spaces."""
    return "".join(rng.choice(list(_SYMBOLS + "     "), length))


class Pen:
    """Draws on a copy of a picture, with coordinates in its pixels.

    Args:
        image: The picture to draw on.
        rng: Random generator, which chooses soft edges (drawn at twice the size) or hard ones.
    """

    def __init__(self, image: Image.Image, rng: Rng) -> None:
        self.image, self.factor = image, 1 if rng.random() < _HARD else 2
        self.size = image.size
        width, height = image.size
        large = (width * self.factor, height * self.factor)
        self.large = image.resize(large, Image.Resampling.NEAREST)
        self.pen = ImageDraw.Draw(self.large)

    def done(self) -> Image.Image:
        """The finished picture."""
        return self.large.reduce(self.factor)

    def wide(self, width: float) -> int:
        """Converts a width to pixels of the enlarged drawing."""
        return max(1, round(width * self.factor))

    def at(self, points: ArrayLike) -> list[float]:
        """Converts points to coordinates x, y, x, y, ... of the enlarged drawing."""
        return [float(number) for number in np.ravel(np.asarray(points, float)) * self.factor]

    def line(self, points: ArrayLike, ink: Colour, width: float = 1.0) -> None:
        """Draws a line through points (N, 2)."""
        self.pen.line(self.at(points), ink, self.wide(width), joint="curve")

    def shape(
        self,
        points: ArrayLike,
        fill: Colour | None,
        outline: Colour | None = None,
        width: float = 1.0,
    ) -> None:
        """Draws a polygon with corners (N, 2)."""
        self.pen.polygon(self.at(points), fill, outline, self.wide(width))

    def box(
        self, box: ArrayLike, fill: Colour | None = None, outline: Colour | None = None,
        width: float = 1.0, radius: float = 0.0,
    ) -> None:  # fmt: skip
        """Draws a rectangle (left, top, right, bottom) with rounded corners."""
        left, top, right, bottom = self.at(box)
        if right > left and bottom > top:
            corners = (left, top, right, bottom)
            self.pen.rounded_rectangle(
                corners, radius * self.factor, fill, outline, self.wide(width)
            )

    def disc(
        self, x: float, y: float, radius: float, fill: Colour | None = None,
        outline: Colour | None = None, width: float = 1.0,
    ) -> None:  # fmt: skip
        """Draws a disc or a ring around a point."""
        box = self.at((x - radius, y - radius, x + radius, y + radius))
        self.pen.ellipse(box, fill, outline, self.wide(width))

    def text(
        self, x: float, y: float, text: str, height: float, ink: Colour, weight: float = 0.0
    ) -> float:
        """Draws text of a height, its strokes widened by `weight` pixels; returns its right end."""
        font = ImageFont.load_default(max(4, round(height * self.factor)))
        stroke = round(weight * self.factor)
        self.pen.text(tuple(self.at((x, y))), text, ink, font, stroke_width=stroke)  # pyright: ignore[reportArgumentType]
        return x + font.getlength(text) / self.factor


def page(image: Image.Image, tone: Colour) -> Image.Image:
    """A page in one colour, of the size of the picture."""
    return Image.new("RGB", image.size, tone)


def smooth(rng: Rng, size: tuple[int, int], knots: int) -> np.ndarray:
    """A random smooth surface (H, W), 0 to 1, with about `knots` hills along each side."""
    field = rng.random((knots + 2, knots + 2)).astype(np.float32)
    image = Image.fromarray(field).resize(size, Image.Resampling.BICUBIC)
    surface = np.asarray(image)
    low, high = surface.min(), surface.max()
    return (surface - low) / max(1e-6, float(high - low))


def curve(rng: Rng, size: tuple[int, int], bends: int = 4) -> np.ndarray:
    """Points (N, 2) of a random smooth line, which may leave the picture."""
    points = rng.uniform(-0.15, 1.15, (bends, 2)) * np.array(size)
    for _ in range(4):  # Chaikin's corner cutting
        first, second = points[:-1], points[1:]
        cut = np.stack((0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second), 1)
        points = np.concatenate((points[:1], cut.reshape(-1, 2), points[-1:]))
    return points
