"""Draws figures: line art, maps, contours, charts, program windows, posters, grids and rings."""

import numpy as np
from PIL import Image

from train.data.drawn.ink import (
    Colour,
    Pen,
    Rng,
    between,
    colour,
    curve,
    page,
    smooth,
    tones,
    word,
    words,
)


def lines(image: Image.Image, rng: Rng) -> Image.Image:
    """Straight lines in any direction and colour, over the picture or on a page."""
    image = page(image, colour(rng)) if rng.random() < 0.5 else image.copy()
    pen = Pen(image, rng)
    for _ in range(int(rng.integers(3, 20))):
        ends = rng.uniform(-0.2, 1.2, (2, 2)) * np.array(image.size)
        pen.line(ends, colour(rng), float(rng.uniform(0.5, 5)))
    return pen.done()


def grid(image: Image.Image, rng: Rng) -> Image.Image:
    """Parallel lines, crossed or not, like fences, blinds and meshes."""
    (paper, ink), thick = tones(rng), float(rng.uniform(0.5, 4))
    image = page(image, paper) if rng.random() < 0.5 else image.copy()
    pen, (width, side) = Pen(image, rng), image.size
    pitch, slant = rng.uniform(2, 4) * thick + 2, rng.uniform(-1, 1) * side
    for x in np.arange(-side, width + side, pitch):
        pen.line(((x, 0), (x + slant, side)), ink, thick)
    for y in np.arange(0, side, pitch) if rng.random() < 0.5 else ():
        pen.line(((0, y), (width, y)), ink, thick)
    return pen.done()


def rings(image: Image.Image, rng: Rng) -> Image.Image:
    """Concentric circles."""
    (paper, ink), thick, pitch = tones(rng), float(rng.uniform(0.5, 4)), rng.uniform(5, 20)
    image = page(image, paper) if rng.random() < 0.5 else image.copy()
    pen, (x, y) = Pen(image, rng), rng.uniform(0, 1, 2) * np.array(image.size)
    for radius in np.arange(pitch, 1.5 * max(image.size), pitch):
        pen.disc(x, y, float(radius), outline=ink, width=thick)
    return pen.done()


def line_art(image: Image.Image, rng: Rng) -> Image.Image:
    """Outlined shapes in flat colours and swelling strokes, like comics, icons and ink drawings."""
    paper, ink = ((255, 255, 255), (0, 0, 0)) if rng.random() < 0.5 else tones(rng)
    pen, size = Pen(page(image, paper), rng), image.size
    thick, coloured = rng.uniform(0.8, 5), rng.random() < 0.6
    for _ in range(int(rng.integers(2, 7))):
        outline = curve(rng, size, int(rng.integers(3, 7)))
        fill = colour(rng) if coloured else paper
        pen.shape(outline, fill, ink, thick)
        pen.line(np.concatenate((outline, outline[:1])), ink, thick)
    for _ in range(int(rng.integers(3, 12))):
        _swelling(pen, curve(rng, size, 3), ink, thick)
    return pen.done()


def _swelling(pen: Pen, points: np.ndarray, ink: Colour, thick: float) -> None:
    """Draws a stroke that is thick in its middle and pointed at both ends."""
    steps = np.gradient(points, axis=0)
    across = np.stack((-steps[:, 1], steps[:, 0]), 1)
    across /= np.maximum(1e-6, np.linalg.norm(across, axis=1, keepdims=True))
    width = 0.5 * thick * np.sin(np.linspace(0, np.pi, len(points)))[:, None]
    pen.shape(np.concatenate((points + width * across, (points - width * across)[::-1])), ink)


def city_map(image: Image.Image, rng: Rng) -> Image.Image:
    """Areas in pale colours, roads with edges, dashed borders, names."""
    ground = between((250, 248, 240), colour(rng), rng.uniform(0, 0.4))
    pen, size = Pen(page(image, ground), rng), image.size
    for _ in range(int(rng.integers(2, 6))):
        area = between(ground, colour(rng), rng.uniform(0.2, 0.6))
        pen.shape(curve(rng, size, 5), area, between(area, (0, 0, 0), 0.3), rng.uniform(0.5, 2))
    street, edge = rng.uniform(1.5, 6), between(ground, (60, 60, 60), 0.7)
    roads = [(road, street, (255, 255, 255)) for road in _streets(rng, size)]
    roads += [
        (curve(rng, size, 3), rng.uniform(3, 10), between(colour(rng), ground, 0.3))
        for _ in range(int(rng.integers(1, 4)))
    ]
    for road, wide, _ in roads:
        pen.line(road, edge, wide + 2)
    for road, wide, tone in roads:
        pen.line(road, tone, wide)
    border = curve(rng, size, 4)
    for start in range(0, len(border) - 2, 4):
        pen.line(border[start : start + 3], (120, 60, 120), rng.uniform(1, 2))
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-0.1, 0.9, 2) * np.array(size)
        height, name = rng.uniform(9, 20), word(rng).capitalize()
        pen.text(x, y, name, height, (255, 255, 255), 1.5)
        pen.text(x, y, name, height, (40, 40, 40))
    return pen.done()


def _streets(rng: Rng, size: tuple[int, int]) -> list[np.ndarray]:
    """Two sets of parallel streets at right angles, turned by any angle: [(2, 2), ...]."""
    turn, reach = rng.uniform(0, np.pi), max(size)
    along = np.array((np.cos(turn), np.sin(turn)))
    across = np.array((-along[1], along[0]))
    found = []
    for first, second in ((along, across), (across, along)):
        for place in np.arange(-reach, reach, rng.uniform(18, 60)):
            if rng.random() < 0.8:
                middle = np.array(size) / 2 + place * second
                ends = rng.uniform(0.2, 1.5, 2) * reach
                found.append(np.stack((middle - ends[0] * first, middle + ends[1] * first)))
    return found


def contours(image: Image.Image, rng: Rng) -> Image.Image:
    """Contour lines of a smooth surface, as on hiking maps, wood and weather charts."""
    paper, ink = tones(rng)
    hills = smooth(rng, image.size, int(rng.integers(2, 6))) * rng.uniform(6, 24)
    down, right = np.gradient(hills)
    slope = np.hypot(down, right) + 1e-6
    away = np.abs(hills - np.round(hills)) / slope  # pixels to the nearest line
    share = np.clip(rng.uniform(0.6, 1.6) - away + 0.5, 0, 1)[..., None]
    tint = (hills / hills.max())[..., None] if rng.random() < 0.5 else 0.0
    ground = np.array(paper) + tint * 0.4 * (np.array(colour(rng)) - np.array(paper))
    return Image.fromarray((ground + share * (np.array(ink) - ground)).round().astype(np.uint8))


def chart(image: Image.Image, rng: Rng) -> Image.Image:
    """Axes with marks and numbers, and bars, curves, points or a pie."""
    paper, ink = tones(rng)
    pen, (width, side) = Pen(page(image, paper), rng), image.size
    left, low = rng.uniform(0.05, 0.3) * width, rng.uniform(0.7, 0.95) * side
    pale, height = between(paper, ink, rng.uniform(0.1, 0.3)), rng.uniform(8, 16)
    for y in np.arange(low, 0, -rng.uniform(12, 40)):
        pen.line(((left, y), (width, y)), pale, rng.uniform(0.5, 1.2))
        pen.text(1, y - height / 2, str(int(rng.integers(1000))), height, ink)
    kind, step = int(rng.integers(4)), rng.uniform(6, 30)
    if kind == 3:
        _pie(pen, rng, (width, side), paper)
    elif kind == 2:
        for x, up in zip(np.arange(left, width, step), rng.random(200) * low, strict=False):
            pen.box((x, low - up, x + 0.7 * step, low), colour(rng), ink, 0.6)
    else:
        for _ in range(int(rng.integers(1, 4))):
            tone, xs = colour(rng), np.arange(left, width + step, step)
            ys = low * (0.5 + 0.2 * np.cumsum(rng.normal(0, 0.5, len(xs))))
            pen.line(np.stack((xs, ys), 1), tone, rng.uniform(0.8, 3))
            for x, y in zip(xs, ys, strict=True) if kind else ():
                pen.disc(x, y, rng.uniform(1.5, 4), tone)
    pen.line(((left, 0), (left, low), (width, low)), ink, rng.uniform(0.8, 2))
    return pen.done()


def _pie(pen: Pen, rng: Rng, size: tuple[int, int], paper: Colour) -> None:
    radius, (x, y) = rng.uniform(0.25, 0.6) * min(size), rng.uniform(0.3, 0.7, 2) * np.array(size)
    edges = np.cumsum(rng.dirichlet(np.ones(int(rng.integers(3, 8)))))
    start = 0.0
    for end in edges:
        turn = np.linspace(start, end, 24) * 2 * np.pi
        arc = np.stack((x + radius * np.cos(turn), y + radius * np.sin(turn)), 1)
        pen.shape(np.concatenate((arc, [(x, y)])), colour(rng), paper, 1.0)
        start = float(end)


def panel(image: Image.Image, rng: Rng) -> Image.Image:
    """A light or dark program window: title bar, buttons, fields, checkboxes, sliders, labels."""
    dark = rng.random() < 0.5
    ground = (36, 37, 42) if dark else (243, 243, 246)
    ink = (225, 225, 230) if dark else (28, 28, 32)
    accent, edge = colour(rng), between(ground, ink, 0.25)
    pen, (width, side) = Pen(page(image, ground), rng), image.size
    height = rng.uniform(8, max(10, side / 9))
    round_by = float(rng.choice((0, 0.25, 0.5))) * height
    pen.box((0, 0, width, 1.6 * height), between(ground, accent, 0.5))
    pen.text(4, 0.2 * height, words(rng, 12), height, ink, 0.4)
    y = 2.2 * height
    while y < side:
        x = rng.uniform(0, 0.1) * width
        while x < width:
            x = _control(pen, rng, (x, y), height, (ground, ink, accent, edge), round_by) + height
        y += 2.3 * height
    return pen.done()


def _control(
    pen: Pen, rng: Rng, place: tuple[float, float], height: float, inks: tuple[Colour, ...],
    round_by: float,
) -> float:  # fmt: skip
    """Draws one control of a window; returns its right end."""
    (x, y), (ground, ink, accent, edge) = place, inks
    kind, label = int(rng.integers(5)), word(rng)
    wide = height * (0.7 * len(label) + 1)
    if kind == 0:  # a button
        pen.box((x, y, x + wide, y + 1.6 * height), accent, edge, 1, round_by)
        tone = (0, 0, 0) if sum(accent) > 380 else (255, 255, 255)
        pen.text(x + 0.5 * height, y + 0.15 * height, label, height, tone)
    elif kind == 1:  # a field
        fill = between(ground, (0, 0, 0) if sum(ground) < 380 else (255, 255, 255), 0.6)
        pen.box((x, y, x + 2 * wide, y + 1.6 * height), fill, edge, 1, round_by)
        pen.text(x + 0.4 * height, y + 0.15 * height, label, height, ink)
        return x + 2 * wide
    elif kind == 2:  # a checkbox
        pen.box((x, y, x + height, y + height), None, ink, 1, round_by / 2)
        if rng.random() < 0.5:
            tick = np.array(((0.2, 0.5), (0.45, 0.8), (0.85, 0.2))) * height
            pen.line(np.add(tick, (x, y)), accent, height / 8)
        return pen.text(x + 1.4 * height, y - 0.1 * height, label, height, ink)
    elif kind == 3:  # a slider
        middle, knob = y + 0.6 * height, x + rng.random() * wide
        pen.line(((x, middle), (x + wide, middle)), edge, height / 6)
        pen.line(((x, middle), (knob, middle)), accent, height / 6)
        pen.disc(knob, middle, 0.4 * height, accent, ink, 0.8)
    else:
        return pen.text(x, y, words(rng, 8), height, ink, float(rng.choice((0, 0.5))))
    return x + wide


def poster(image: Image.Image, rng: Rng) -> Image.Image:
    """Flat shapes, gradients and large letters."""
    size = image.size
    first, second = np.array(colour(rng), float), np.array(colour(rng), float)
    turn = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, size[0]) * np.cos(turn)
    down = np.linspace(-1, 1, size[1])[:, None] * np.sin(turn)
    share = ((across + down) / 2.9 + 0.5)[..., None]
    ground = np.clip(first + share * (second - first), 0, 255)
    pen = Pen(Image.fromarray(ground.round().astype(np.uint8)), rng)
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, 1, 2) * np.array(size)
        radius = rng.uniform(0.05, 0.5) * min(size)
        if rng.random() < 0.5:
            pen.disc(x, y, radius, colour(rng))
        else:
            corners = rng.uniform(-1, 1, (int(rng.integers(3, 6)), 2)) * radius
            pen.shape(np.add(corners, (x, y)), colour(rng))
    height = rng.uniform(0.15, 0.5) * size[1]
    pen.text(0, rng.uniform(0, 0.6) * size[1], word(rng).upper(), height, colour(rng), height / 20)
    return pen.done()
