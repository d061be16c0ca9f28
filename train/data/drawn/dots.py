"""Draws pictures made of dots and lines: screens, dither, hatching, pixel art, codes, scanlines."""

import numpy as np
import torch
from PIL import Image

from kdsr.pixels import to_bytes
from train.data.drawn.ink import Colour, Rng, colour, smooth, tones

_BAYER = np.array(((0, 2), (3, 1)))
_ANGLES = (15.0, 75.0, 0.0)  # screen angles of the three inks, degrees


def screentone(image: Image.Image, rng: Rng) -> Image.Image:
    """Dots or lines on a slanted raster, with the darkness of the picture or a gradient."""
    paper, ink = ((255, 255, 255), (0, 0, 0)) if rng.random() < 0.6 else tones(rng)
    dark = 1 - _grey(image, rng)
    if rng.random() < 0.4:  # flat tones, as printed screentone sheets have
        dark = np.round(dark * 3) / 3
    raster = _raster(dark.shape, rng.uniform(3, 14), rng.uniform(0, 90), lines=rng.random() < 0.2)
    return _mixed(paper, ink, _soft(dark - raster, rng))


def print_screen(image: Image.Image, rng: Rng) -> Image.Image:
    """A dot screen for each colour, as in newspapers and comics."""
    pitch = rng.uniform(3, 10)
    planes = [
        _soft(channel / 255 - _raster(channel.shape, pitch, angle, lines=False), rng)
        for channel, angle in zip(_planes(image), _ANGLES, strict=True)
    ]
    return Image.fromarray(to_bytes(torch.from_numpy(np.stack(planes, 2))).numpy())


def _raster(shape: tuple[int, ...], pitch: float, angle: float, *, lines: bool) -> np.ndarray:
    """Thresholds (H, W), 0 to 1, that turn tones into dots or lines of fitting size."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    turn, wave = np.deg2rad(angle), 2 * np.pi / pitch
    along = np.cos(wave * (x * np.cos(turn) + y * np.sin(turn)))
    across = np.cos(wave * (y * np.cos(turn) - x * np.sin(turn)))
    return 0.5 + 0.5 * along if lines else 0.5 + 0.25 * (along + across)


def hatching(image: Image.Image, rng: Rng) -> Image.Image:
    """Strokes in up to three directions; each further one covers darker areas only."""
    paper, ink = ((255, 255, 255), (0, 0, 0)) if rng.random() < 0.6 else tones(rng)
    dark, pitch = 1 - _grey(image, rng), rng.uniform(3, 11)
    wobble = smooth(rng, image.size, 4) * rng.uniform(0, 2)
    y, x = np.mgrid[: image.height, : image.width]
    covered = np.zeros(dark.shape)
    for level in np.linspace(0.15, 0.75, int(rng.integers(1, 4))):
        turn = np.deg2rad(rng.uniform(0, 180))
        phase = (x * np.cos(turn) + y * np.sin(turn)) / pitch + wobble
        away = np.abs(phase - np.round(phase)) * pitch
        width = pitch * np.clip(dark - level, 0, 0.6) * 0.6
        covered = np.maximum(covered, np.clip(width - away + 0.5, 0, 1) * (dark > level))
    return _mixed(paper, ink, covered)


def ordered_dither(image: Image.Image, rng: Rng) -> Image.Image:
    """Few levels by Bayer's ordered dither, every dot a square."""
    small, cell = _small(image, rng)
    matrix = _BAYER
    for _ in range(int(rng.integers(0, 3))):
        matrix = np.block([[4 * matrix + part for part in row] for row in _BAYER.tolist()])
    thresholds = (matrix + 0.5) / matrix.size
    height, width = small.shape[:2]
    tiled = np.tile(thresholds, (-(-height // len(matrix)), -(-width // len(matrix))))
    steps = int(rng.choice((1, 1, 2, 3, 5)))
    levels = np.floor(small / 255 * steps + tiled[:height, :width, None])
    dots = np.clip(levels, 0, steps) / steps
    if rng.random() < 0.5:  # of two inks
        paper, ink = tones(rng)
        dots = dots.mean(2, keepdims=True)
        dots = (np.array(ink) + dots * (np.array(paper) - np.array(ink))) / 255
    return _enlarged(dots * 255, cell, image)


def diffused_dither(image: Image.Image, rng: Rng) -> Image.Image:
    """Two inks or a small palette by Floyd-Steinberg dither, every dot a square."""
    small, cell = _small(image, rng)
    picture = Image.fromarray(small.round().astype(np.uint8))
    if rng.random() < 0.5:
        paper, ink = tones(rng)
        on = np.asarray(picture.convert("L").convert("1"), float)[..., None]
        return _enlarged(np.array(ink) + on * (np.array(paper) - np.array(ink)), cell, image)
    palette = picture.quantize(int(rng.integers(3, 17)))
    dots = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    return _enlarged(np.asarray(dots.convert("RGB"), float), cell, image)


def pixel_art(image: Image.Image, rng: Rng) -> Image.Image:
    """Symmetric sprites of few colours on tiles, or the picture itself in large pixels."""
    cell = int(rng.choice((2, 3, 4, 4, 6, 8)))
    height, width = (-(-n // cell) for n in (image.height, image.width))
    if rng.random() < 0.4:
        small = image.resize((width, height), Image.Resampling.BOX)
        flat = small.quantize(int(rng.integers(4, 25)), dither=Image.Dither.NONE).convert("RGB")
        return _enlarged(np.asarray(flat, float), cell, image)
    picture = np.empty((height, width, 3))
    picture[:] = colour(rng)
    if rng.random() < 0.5:
        side = int(rng.integers(2, 9))
        tile = rng.integers(0, 3, (side, side))
        inks = np.array([colour(rng) for _ in range(3)])
        rows, columns = np.arange(height) % side, np.arange(width) % side
        picture = inks[tile[rows[:, None], columns]].astype(float)
    for _ in range(int(rng.integers(1, 6))):
        side = int(rng.integers(5, 13))
        half = rng.integers(-2, 3, (side, (side + 1) // 2))
        sprite = np.concatenate((half, half[:, ::-1][:, side % 2 :]), 1)
        top, left = rng.integers(-side // 2, height), rng.integers(-side // 2, width)
        inks = np.array([colour(rng) for _ in range(2)])
        ys, xs = np.nonzero(sprite > 0)
        kept = (ys + top >= 0) & (ys + top < height) & (xs + left >= 0) & (xs + left < width)
        ys, xs = ys[kept], xs[kept]
        picture[ys + top, xs + left] = inks[sprite[ys, xs] - 1]
    return _enlarged(picture, cell, image)


def checker(image: Image.Image, rng: Rng) -> Image.Image:
    """A checkerboard or stripes of any period, over all pixels or every second one."""
    cell, (first, second) = int(rng.integers(1, 9)), tones(rng)
    y, x = np.mgrid[: image.height, : image.width] // cell
    odd = [(x + y) % 2, x % 2, y % 2][int(rng.integers(3))][..., None]
    board = np.where(odd, np.array(first), np.array(second)).astype(float)
    if rng.random() < 0.4:  # every second dot is transparent, like shadows in old games
        board = np.where(odd, np.asarray(image, float), np.array(second))
    return Image.fromarray(board.astype(np.uint8))


def scanlines(image: Image.Image, rng: Rng) -> Image.Image:
    """Dark rows at a regular pitch, as on CRT screens, sometimes with vertical colour stripes."""
    pitch, strength = int(rng.integers(2, 13)), rng.uniform(0.1, 0.8)
    rows = 0.5 + 0.5 * np.cos(2 * np.pi * np.arange(image.height) / pitch)
    if rng.random() < 0.5:
        rows = (np.arange(image.height) % pitch < pitch // 2).astype(float)
    light = 1 - strength * rows[:, None, None]
    picture = np.asarray(image, float) * light
    if rng.random() < 0.3:
        column = np.arange(image.width) // max(1, pitch // 3) % 3
        picture *= 1 - 0.5 * strength * (column[:, None] != np.arange(3))
    return Image.fromarray(picture.round().astype(np.uint8))


def matrix_code(image: Image.Image, rng: Rng) -> Image.Image:
    """A QR-like code with a corner mark, a Data Matrix-like code, or a barcode."""
    paper, ink = ((255, 255, 255), (0, 0, 0)) if rng.random() < 0.7 else tones(rng)
    cell, kind = int(rng.integers(2, 11)), int(rng.integers(3))
    height, width = (-(-n // cell) for n in (image.height, image.width))
    on = (rng.random((height, width)) < 0.5).astype(float)
    if kind == 0:
        top, left = int(rng.integers(-3, max(1, height - 8))), int(rng.integers(-3, width))
        y, x = np.mgrid[:height, :width]
        ring = np.maximum(np.abs(y - top - 3), np.abs(x - left - 3))
        on = np.where(ring <= 4, np.isin(ring, (0, 1, 3)), on)
    elif kind == 1:
        on[:, 0], on[-1], on[0], on[:, -1] = 1, 1, np.arange(width) % 2, np.arange(height) % 2
    else:
        on = np.repeat(on[:1], height, 0)
    return _enlarged(
        np.array(paper) + on[..., None] * (np.array(ink) - np.array(paper)), cell, image
    )


def _grey(image: Image.Image, rng: Rng) -> np.ndarray:
    """Brightness (H, W), 0 to 1, of the picture, or of a random smooth surface."""
    if rng.random() < 0.3:
        return smooth(rng, image.size, int(rng.integers(1, 4)))
    return np.asarray(image.convert("L"), float) / 255


def _planes(image: Image.Image) -> list[np.ndarray]:
    return [np.asarray(channel, float) for channel in image.split()]


def _soft(difference: np.ndarray, rng: Rng) -> np.ndarray:
    """1 where a difference is positive and 0 elsewhere, with soft or hard edges."""
    if rng.random() < 0.25:
        return (difference > 0).astype(float)
    return np.clip(difference * rng.uniform(4, 10) + 0.5, 0, 1)


def _mixed(paper: Colour, ink: Colour, share: np.ndarray) -> Image.Image:
    mix = np.array(paper) + share[..., None] * (np.array(ink) - np.array(paper))
    return Image.fromarray(mix.round().astype(np.uint8))


def _small(image: Image.Image, rng: Rng) -> tuple[np.ndarray, int]:
    """The picture shrunk to one pixel per dot, (H, W, 3) in 0-255, and the side of a dot."""
    cell = int(rng.choice((1, 2, 3, 4, 4, 5, 6, 8)))
    size = (-(-image.width // cell), -(-image.height // cell))
    return np.asarray(image.resize(size, Image.Resampling.BOX), float), cell


def _enlarged(small: np.ndarray, cell: int, image: Image.Image) -> Image.Image:
    """Enlarges every pixel to a square and cuts the result to the size of the picture."""
    picture = Image.fromarray(small.clip(0, 255).round().astype(np.uint8))
    large = picture.resize((picture.width * cell, picture.height * cell), Image.Resampling.NEAREST)
    return large.crop((0, 0, *image.size))
