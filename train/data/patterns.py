"""Text and line art drawn into training crops: photographs hold too little of both."""

import string

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_SYMBOLS = string.ascii_letters + string.digits + ".,:;!?&%()[]+-=/"


def draw_pattern(crop: Tensor, rng: np.random.Generator) -> Tensor:
    """Draws text, lines, a grid or rings over a crop, in one or two colours.

    Args:
        crop: (H, W, 3), uint8.
        rng: Source of every choice.

    Returns:
        A new (H, W, 3) uint8 tensor on the same device.
    """
    image = Image.fromarray(crop.cpu().numpy())
    if rng.random() < 0.5:  # on a plain page rather than over the photograph
        image.paste(_colour(rng), (0, 0, *image.size))
    draw = ImageDraw.Draw(image)
    shapes = (_text, _text, _lines, _grid, _rings)
    shapes[int(rng.integers(len(shapes)))](draw, image.size, rng)
    return torch.from_numpy(np.array(image)).to(crop.device)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.5:  # black on white and white on black are what most pages are
        value = int(rng.choice((0, 20, 235, 255)))
        return value, value, value
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _text(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    height = int(rng.integers(8, max(9, size[1] // 3)))
    font, colour = ImageFont.load_default(height), _colour(rng)
    y = int(rng.integers(-height, height))
    while y < size[1]:
        letters = rng.choice(list(_SYMBOLS + "     "), int(2.5 * size[0] / height) + 1)
        draw.text((int(rng.integers(-height, height)), y), "".join(letters), colour, font)
        y += int(height * rng.uniform(1.0, 1.8)) + 1


def _lines(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(3, 20))):
        ends = rng.uniform(-0.2, 1.2, 4) * np.array([*size, *size])
        draw.line(list(ends), _colour(rng), int(rng.integers(1, 5)))


def _grid(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    colour, width = _colour(rng), int(rng.integers(1, 4))
    pitch, slant = rng.uniform(4, 24), rng.uniform(-1, 1) * size[1]
    for x in np.arange(-size[1], size[0] + size[1], pitch):
        draw.line((x, 0, x + slant, size[1]), colour, width)
    if rng.random() < 0.5:
        for y in np.arange(0, size[1], pitch):
            draw.line((0, y, size[0], y), colour, width)


def _rings(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    x, y = rng.uniform(0, 1, 2) * np.array(size)
    colour, width, pitch = _colour(rng), int(rng.integers(1, 4)), rng.uniform(5, 20)
    for radius in np.arange(pitch, 1.5 * max(size), pitch):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)
