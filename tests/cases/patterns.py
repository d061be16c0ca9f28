"""Dots and pixels: what printers, old screens and old games make shades of."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .pages import SIZE, Rng, hatching

_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16


def _grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return y, x


def _colour(rng: Rng) -> np.ndarray:
    return rng.integers(0, 256, 3)


def scanlines(rng: Rng, photograph: Image.Image) -> Image.Image:
    """A photograph with every second (third, fourth) row darkened."""
    pixels = np.asarray(photograph).astype(float)
    y, _ = _grid()
    darker = (y % int(rng.integers(2, 5)) == 0)[..., None]
    return _image(np.where(darker, pixels * rng.uniform(0.3, 0.85), pixels))


def halftone(rng: Rng, photograph: Image.Image) -> Image.Image:
    """Round dots of a printer's screen, turned."""
    grey = np.asarray(photograph.convert("L")) / 255
    y, x = _grid()
    angle, period = rng.uniform(0.2, 1.2), rng.uniform(3, 7)
    u, v = (x * np.cos(angle) + y * np.sin(angle)), (y * np.cos(angle) - x * np.sin(angle))
    screen = 0.5 + 0.25 * (np.cos(u * 2 * np.pi / period) + np.cos(v * 2 * np.pi / period))
    return _image(255 * np.clip(6 * (grey - screen) + 0.5, 0, 1)[..., None].repeat(3, 2))


def sprites(rng: Rng) -> Image.Image:
    """Small figures of a few colours on flat ground, each pixel doubled."""
    canvas = np.empty((SIZE[1] // 2, SIZE[0] // 2, 3), np.uint8)
    canvas[:] = _colour(rng)
    for _ in range(12):
        half = rng.integers(0, 3, (10, 5))
        figure = np.concatenate((half, half[:, ::-1]), 1)
        palette = rng.integers(0, 256, (3, 3))
        top, left = int(rng.integers(0, 38)), int(rng.integers(0, 62))
        spot = canvas[top : top + 10, left : left + 10]
        spot[figure > 0] = palette[figure][figure > 0]
    return Image.fromarray(canvas).resize(SIZE, Image.Resampling.NEAREST)


def dithered_game(rng: Rng) -> Image.Image:
    """A flat sky, a box and an area of two colours in a checkerboard."""
    pixels = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[:] = _colour(rng)
    y, x = _grid()
    area = x >= int(rng.integers(30, 110))
    pixels[area & ((x + y) % 2 == 0)] = _colour(rng)
    pixels[area & ((x + y) % 2 == 1)] = _colour(rng)
    image = Image.fromarray(pixels)
    fill = tuple(int(v) for v in _colour(rng))
    ImageDraw.Draw(image).rectangle((8, 20, 40, 70), outline=(0, 0, 0), fill=fill)
    return image


def dithered_photograph(rng: Rng, photograph: Image.Image) -> Image.Image:
    """A photograph in few colours, by ordered dither or by diffused errors."""
    if rng.random() < 0.5:
        colours = int(rng.integers(2, 17))
        return photograph.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")
    y, x = _grid()
    levels = int(rng.integers(1, 5))
    places = _BAYER[y % 4, x % 4][..., None]
    return _image(np.floor(np.asarray(photograph) / 255 * levels + places) / levels * 255)


def mesh(rng: Rng, photograph: Image.Image) -> Image.Image:
    """A shadow or a window drawn on every second pixel, as old consoles did."""
    pixels = np.asarray(photograph).copy()
    y, x = _grid()
    part = (x > 40) & (x < 110) & (y > 20) & (y < 76)
    pixels[part & ((x + y) % 2 == 0)] = _colour(rng)
    return Image.fromarray(pixels)


def screentone(rng: Rng) -> Image.Image:
    """Manga: line art with areas of dots."""
    image = Image.new("L", SIZE, 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((4, 4, 139, 91), outline=0)
    for _ in range(5):
        x, y, r = int(rng.integers(20, 124)), int(rng.integers(20, 76)), int(rng.integers(8, 26))
        draw.ellipse((x - r, y - r, x + r, y + r), outline=0, width=2)
    pixels = np.asarray(image).copy()
    y, x = _grid()
    step = int(rng.integers(3, 6))
    dots = ((x % step) < 2) & (((y + (x // step % 2) * (step // 2)) % step) < 2)
    pixels[dots & (x > int(rng.integers(40, 100)))] = 0
    return Image.fromarray(pixels).convert("RGB")


def subtitles(rng: Rng, photograph: Image.Image) -> Image.Image:
    """A frame of a film with two lines of letters."""
    image = photograph.copy()
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(("- Where were you?", "At the harbour.")):
        place = (18 + int(rng.integers(0, 12)), 66 + 13 * row)
        draw.text(place, line, fill=(255, 255, 255), stroke_width=1, stroke_fill=(0, 0, 0))
    return image


def gradient(rng: Rng) -> Image.Image:
    """Two colours that fade into each other, smoothly or in steps."""
    y, x = _grid()
    share = (x / SIZE[0] * rng.random() + y / SIZE[1] * rng.random())[..., None]
    if rng.random() < 0.5:
        share = np.round(share * 12) / 12
    return _image(_colour(rng) * (1 - share) + _colour(rng) * share)


def noise(rng: Rng) -> Image.Image:
    """Noise of any strength and size of grain on a flat colour."""
    grain = rng.normal(0, rng.uniform(5, 60), (SIZE[1], SIZE[0], 3))
    image = _image(128 + grain)
    return image if rng.random() < 0.6 else image.filter(ImageFilter.BoxBlur(1))


def checkerboard(rng: Rng) -> Image.Image:
    """Squares or stripes of 1 to 8 pixels, of any two colours."""
    y, x = _grid()
    period = int(rng.integers(1, 9))
    odd = (x // period + (y // period if rng.random() < 0.7 else 0)) % 2 == 1
    return _image(np.where(odd[..., None], _colour(rng), _colour(rng)))


def half_hatched(rng: Rng, photograph: Image.Image) -> Image.Image:
    """A photograph that goes over into a hatched drawing."""
    image = photograph.copy()
    image.paste(hatching(rng).crop((72, 0, *SIZE)), (72, 0))
    return image


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))
