"""Draws pages: text of several sizes and weights, code, tables, music, subtitles, pixel fonts."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from train.data.drawn.ink import (
    Colour,
    Pen,
    Rng,
    between,
    colour,
    page,
    symbols,
    tones,
    word,
    words,
)


def text(image: Image.Image, rng: Rng) -> Image.Image:
    """Lines of random characters in one size."""
    paper, ink = tones(rng)
    image = page(image, paper) if rng.random() < 0.5 else image.copy()
    pen, (width, side) = Pen(image, rng), image.size
    height = float(rng.integers(8, max(9, side // 3)))
    weight = float(rng.choice((0, 0, 0, 0.5, 1)))
    y = rng.uniform(-height, height)
    while y < side:
        line = symbols(rng, int(2.5 * width / height) + 1)
        pen.text(rng.uniform(-height, height), y, line, height, ink, weight)
        y += int(height * rng.uniform(1.0, 1.8)) + 1
    return pen.done()


def printed(image: Image.Image, rng: Rng) -> Image.Image:
    """Headlines and lines of words, some of them coloured or underlined."""
    paper, ink = tones(rng)
    pen, (width, side) = Pen(page(image, paper), rng), image.size
    margin, height = rng.uniform(0, 0.1) * width, float(rng.uniform(9, max(12, side / 7)))
    y = rng.uniform(-0.5, 0.5) * height
    while y < side:
        large = rng.random() < 0.2
        size = height * (rng.uniform(1.3, 2.4) if large else 1.0)
        end = pen.text(
            margin, y, words(rng, int(2 * width / size)), size, ink, size / 24 if large else 0.0
        )
        if rng.random() < 0.1:
            pen.line(((margin, y + 1.15 * size), (end, y + 1.15 * size)), ink, size / 16)
        if rng.random() < 0.1:
            pen.text(margin, y, word(rng), size, colour(rng), size / 30)
        y += size * rng.uniform(1.15, 1.5)
    return pen.done()


def code(image: Image.Image, rng: Rng) -> Image.Image:
    """An editor or a terminal: line numbers, and indented words in a few colours."""
    dark = rng.random() < 0.7
    ground = (30, 31, 36) if dark else (252, 252, 250)
    inks = [between(ground, colour(rng), 0.75) for _ in range(4)]
    inks += [between(ground, (255, 255, 255) if dark else (0, 0, 0), 0.85)] * 3
    pen, (width, side) = Pen(page(image, ground), rng), image.size
    height = float(rng.uniform(8, max(10, side / 8)))
    number, y, indent = int(rng.integers(1, 900)), rng.uniform(-0.8, 0) * height, 0
    while y < side:
        if rng.random() < 0.08:
            pen.box((0, y, width, y + 1.3 * height), between(ground, colour(rng), 0.2))
        x = pen.text(2, y, f"{number:>3} ", height, between(ground, inks[-1], 0.5)) + height
        indent = max(0, indent + int(rng.integers(-1, 2)))
        x += indent * 1.6 * height
        while x < width and rng.random() < 0.9:
            end = str(rng.choice(["", "(", ")", ":", " =", ".", ",", "[0]", "_"]))
            piece = word(rng, 7) + end
            x = pen.text(x, y, piece + " ", height, inks[int(rng.integers(len(inks)))])
        number, y = number + 1, y + 1.3 * height
    return pen.done()


def table(image: Image.Image, rng: Rng) -> Image.Image:
    """Ruled paper, or rows and columns with a word or a number in each."""
    paper, ink = tones(rng)
    rule = between(paper, ink, rng.uniform(0.15, 1.0))
    pen, (width, side) = Pen(page(image, paper), rng), image.size
    row, column = rng.uniform(10, 40), rng.uniform(20, 90)
    thick, filled = rng.uniform(0.5, 2.5), rng.random() < 0.7
    columns = np.arange(rng.uniform(-1, 0) * column, width, column)
    for index, y in enumerate(np.arange(rng.uniform(-1, 0) * row, side, row)):
        if index % 2 and rng.random() < 0.5:
            pen.box((0, y, width, y + row), between(paper, ink, 0.1))
        pen.line(((0, y), (width, y)), rule, thick)
        for x in columns if filled else ():
            pen.text(x + 2, y + 0.15 * row, word(rng, 6), 0.65 * row, ink)
    for x in columns if rng.random() < 0.7 else ():
        pen.line(((x, 0), (x, side)), rule, thick)
    return pen.done()


def music(image: Image.Image, rng: Rng) -> Image.Image:
    """Staves of five lines with bars, notes, stems, beams and slurs."""
    paper, ink = ((255, 255, 255), (0, 0, 0)) if rng.random() < 0.7 else tones(rng)
    pen, (width, side) = Pen(page(image, paper), rng), image.size
    gap = rng.uniform(4, 14)
    thin = max(0.6, gap / 9)
    y = rng.uniform(-6, 2) * gap
    while y < side:
        for line in range(5):
            pen.line(((0, y + line * gap), (width, y + line * gap)), ink, thin)
        for x in np.arange(rng.uniform(0, 8) * gap, width, rng.uniform(8, 16) * gap):
            pen.line(((x, y), (x, y + 4 * gap)), ink, thin)
        _notes(pen, rng, y, gap, ink, paper)
        y += rng.uniform(7, 12) * gap
    return pen.done()


def _notes(pen: Pen, rng: Rng, top: float, gap: float, ink: Colour, paper: Colour) -> None:
    turn = np.linspace(0, 2 * np.pi, 17)
    head = np.stack((0.68 * np.cos(turn), 0.46 * np.sin(turn) - 0.25 * np.cos(turn)), 1) * gap
    x, before = rng.uniform(0, 3) * gap, None
    while x < pen.size[0]:
        y, up = top + float(rng.integers(-2, 11)) * gap / 2, rng.random() < 0.5
        hollow = rng.random() < 0.25
        pen.shape(np.add(head, (x, y)), paper if hollow else ink, ink, gap / 6)
        stem = x + (0.62 if up else -0.62) * gap
        tip = y + (-3.4 if up else 3.4) * gap
        pen.line(((stem, y), (stem, tip)), ink, gap / 8)
        if before is not None and before[2] == up and rng.random() < 0.6:
            pen.line((before[:2], (stem, tip)), ink, gap / 2)
        before = (stem, tip, up)
        x += rng.uniform(1.6, 3.5) * gap


def subtitles(image: Image.Image, rng: Rng) -> Image.Image:
    """One or two lines of light letters with dark outlines, or on a bar, over the picture."""
    pen, (width, side) = Pen(image.copy(), rng), image.size
    height, light = rng.uniform(10, max(14, side / 5)), (255, 255, int(rng.choice((255, 80))))
    y = rng.uniform(0, max(1.0, side - 2.5 * height))
    for _ in range(int(rng.integers(1, 3))):
        line, x = words(rng, int(1.5 * width / height)), rng.uniform(-0.3, 0.2) * width
        if rng.random() < 0.3:
            pen.box((0, y, width, y + 1.3 * height), (0, 0, 0))
        pen.text(x, y, line, height, (0, 0, 0), max(1.0, height / 14))
        pen.text(x, y, line, height, light)
        y += 1.25 * height
    return pen.done()


def pixel_font(image: Image.Image, rng: Rng) -> Image.Image:
    """Lines of a bitmap font, every dot a square."""
    paper, ink = tones(rng)
    cell = int(rng.integers(1, 6))
    size = (-(-image.width // cell), -(-image.height // cell))
    small = Image.new("RGB", size, paper)
    pen, font = ImageDraw.Draw(small), ImageFont.load_default_imagefont()
    for y in range(-int(rng.integers(8)), size[1], 12):
        line = symbols(rng, size[0] // 5 + 1)
        pen.text((-int(rng.integers(6)), y), line, colour(rng) if rng.random() < 0.2 else ink, font)
    large = small.resize((size[0] * cell, size[1] * cell), Image.Resampling.NEAREST)
    return large.crop((0, 0, *image.size))
