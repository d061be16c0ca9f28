"""Draws icon.png and banner.png: a coarse image, sharpened by a vector.

python assets/draw.py
"""
# ruff: noqa: INP001

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

HERE = Path(__file__).parent
NIGHT, TEAL, SAND, WHITE = (17, 24, 39), (45, 212, 191), (251, 146, 60), (241, 245, 249)
OVER = 4  # drawn this much larger, then reduced: smooth edges


def scene(side: int) -> Image.Image:
    """A sun over hills, simple enough to be recognised coarse and sharp."""
    picture = Image.new("RGB", (side, side), NIGHT)
    draw = ImageDraw.Draw(picture)
    for y in range(side):
        t = y / side
        row = tuple(
            round(a + (b - a) * t) for a, b in zip((30, 58, 110), (214, 120, 92), strict=True)
        )
        draw.line((0, y, side, y), row)
    r = side * 0.17
    draw.ellipse(
        (side * 0.5 - r, side * 0.36 - r, side * 0.5 + r, side * 0.36 + r), (255, 214, 140)
    )
    hills = [
        ((20, 110, 120), [(0, 0.66), (0.24, 0.46), (0.5, 0.68), (0.8, 0.42), (1, 0.6)]),
        ((12, 62, 84), [(0, 0.84), (0.36, 0.64), (0.64, 0.82), (1, 0.68)]),
    ]
    for colour, ridge in hills:
        points = [(x * side, y * side) for x, y in ridge]
        draw.polygon([*points, (side, side), (0, side)], colour)
    return picture


def halves(side: int, cells: int) -> Image.Image:
    """The scene, its left half in coarse pixels."""
    sharp = scene(side)
    coarse = sharp.filter(ImageFilter.GaussianBlur(side / 28)).resize(
        (cells, cells), Image.Resampling.BOX
    )
    coarse = coarse.resize((side, side), Image.Resampling.NEAREST)
    sharp.paste(coarse.crop((0, 0, side // 2, side)), (0, 0))
    return sharp


def bars(draw: ImageDraw.ImageDraw, left: float, top: float, width: float, height: float) -> None:
    """The vector, as eight bars."""
    values = (0.35, 0.8, 0.25, 0.55, 1.0, 0.3, 0.65, 0.45)
    step = width / len(values)
    for k, value in enumerate(values):
        x = left + k * step
        box = (x, top + height * (1 - value), x + step * 0.62, top + height)
        draw.rounded_rectangle(box, step * 0.2, TEAL if k % 2 == 0 else SAND)


def rounded(picture: Image.Image, radius: int) -> Image.Image:
    """With transparent corners."""
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, picture.width - 1, picture.height - 1), radius, 255
    )
    picture.putalpha(mask)
    return picture


def icon(side: int = 400) -> Image.Image:
    """The registry takes square icons of up to 400 px."""
    big = side * OVER
    picture = halves(big, 10)
    draw = ImageDraw.Draw(picture)
    draw.line((big / 2, 0, big / 2, big), WHITE, round(big / 64))
    return rounded(picture, big // 6).resize((side, side), Image.Resampling.LANCZOS)


def banner(width: int = 1260, height: int = 540) -> Image.Image:
    """The registry takes banners of 21:9."""
    picture = Image.new("RGB", (width * OVER, height * OVER), NIGHT)
    draw = ImageDraw.Draw(picture)
    unit = height * OVER / 100
    tile = rounded(halves(round(72 * unit), 12), round(6 * unit))
    picture.paste(tile, (round(14 * unit), round(14 * unit)), tile)
    middle = 50 * unit
    draw.line((middle, 14 * unit, middle, 86 * unit), WHITE, round(0.9 * unit))
    bars(draw, 104 * unit, 17 * unit, 60 * unit, 20 * unit)
    draw.text((103 * unit, 38 * unit), "KDSR", WHITE, ImageFont.load_default(27 * unit))
    for line, text in enumerate(
        ("blind upscaling without seams,", "steered by the image's own degradation")
    ):
        position = (104 * unit, (70 + 8 * line) * unit)
        draw.text(position, text, (148, 163, 184), ImageFont.load_default(6 * unit))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    icon().save(HERE / "icon.png", optimize=True)
    banner().quantize(256).save(HERE / "banner.png", optimize=True)
