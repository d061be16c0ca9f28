"""Pages, screens and drawings: lines and letters on an even ground."""

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Rng = np.random.Generator
SIZE = (144, 96)
"""(width, height) of every picture."""
_WORDS = ("to", "Form 27", "a*x+b", "North", "if x:", "Kg/m", "Total", "12.40", "return", "Vivace")
_MODULES = 21  # of a label along each side


def _ink(rng: Rng, low: int, high: int) -> tuple[int, int, int]:
    r, g, b = rng.integers(low, high, 3)
    return int(r), int(g), int(b)


def _canvas(rng: Rng, *, dark: bool = False) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    ground = _ink(rng, 8, 60) if dark else _ink(rng, 225, 256)
    image = Image.new("RGB", SIZE, ground)
    return image, ImageDraw.Draw(image)


def _word(rng: Rng) -> str:
    return _WORDS[int(rng.integers(len(_WORDS)))]


def sheet_music(rng: Rng) -> Image.Image:
    """Staves of five lines with notes, one pixel wide."""
    image, draw = _canvas(rng)
    gap = int(rng.integers(2, 6))
    for top in range(6, SIZE[1] - 5 * gap, 9 * gap):
        for line in range(5):
            draw.line((4, top + line * gap, SIZE[0] - 4, top + line * gap), fill=(0, 0, 0))
        for x in range(10, SIZE[0] - 8, int(rng.integers(8, 16))):
            y = top + int(rng.integers(0, 9)) * gap // 2
            draw.ellipse((x, y - gap // 2, x + gap + 1, y + gap // 2), fill=(0, 0, 0))
            draw.line((x + gap + 1, y, x + gap + 1, y - 3 * gap), fill=(0, 0, 0))
    return image


def ruled_paper(rng: Rng) -> Image.Image:
    """Ruled and squared paper, with a table on it."""
    image, draw = _canvas(rng)
    step, blue = int(rng.integers(2, 9)), _ink(rng, 90, 200)
    for y in range(0, SIZE[1], step):
        draw.line((0, y, SIZE[0], y), fill=blue)
    if rng.random() < 0.5:
        for x in range(0, SIZE[0], step):
            draw.line((x, 0, x, SIZE[1]), fill=blue)
    for row in range(3):
        for column in range(3):
            box = (20 + column * 36, 20 + row * 18, 56 + column * 36, 38 + row * 18)
            draw.rectangle(box, outline=(0, 0, 0), fill=(255, 255, 255))
            draw.text((box[0] + 3, box[1] + 3), _word(rng), fill=(0, 0, 0))
    return image


def hatching(rng: Rng) -> Image.Image:
    """Line art with a part hatched, in one or two directions."""
    image, draw = _canvas(rng)
    for radius in range(8, 46, int(rng.integers(6, 11))):
        draw.ellipse((52 - radius, 48 - radius, 52 + radius, 48 + radius), outline=(0, 0, 0))
    pixels = np.asarray(image).copy()
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    step = int(rng.integers(3, 7))
    lines = (x + y) % step == 0
    if rng.random() < 0.5:
        lines |= (x - y) % step == 0
    pixels[lines & (x > rng.integers(60, 100))] = 0
    return Image.fromarray(pixels)


def engraving(rng: Rng) -> Image.Image:
    """Shades by lines of changing width, as on banknotes."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(float)
    shade = 0.5 + 0.4 * np.sin(x / rng.uniform(12, 30)) * np.cos(y / rng.uniform(10, 24))
    phase = (y + 3 * np.sin(x / rng.uniform(8, 20))) * rng.uniform(1.2, 2.4)
    lines = np.clip(4 * (0.5 + 0.5 * np.sin(phase) - shade) + 0.5, 0, 1)
    return Image.fromarray((255 * lines).astype(np.uint8)).convert("RGB")


def matrix_label(rng: Rng) -> Image.Image:
    """A label with a square of modules and its number."""
    image, draw = _canvas(rng)
    module = int(rng.integers(2, 5))
    bits = rng.random((_MODULES, _MODULES)) < 0.5
    for corner in ((0, 0), (0, _MODULES - 7), (_MODULES - 7, 0)):
        bits[corner[0] : corner[0] + 7, corner[1] : corner[1] + 7] = True
        bits[corner[0] + 1 : corner[0] + 6, corner[1] + 1 : corner[1] + 6] = False
        bits[corner[0] + 2 : corner[0] + 5, corner[1] + 2 : corner[1] + 5] = True
    code = np.kron(~bits, np.ones((module, module))).astype(np.uint8) * 255
    image.paste(Image.fromarray(code).convert("RGB"), (6, 6))
    draw.text((96, 40), _word(rng), fill=(0, 0, 0))
    return image


def city_map(rng: Rng) -> Image.Image:
    """Streets, water and names."""
    image, draw = _canvas(rng)
    draw.polygon([(0, 60), (50, 48), (90, 80), (60, 96), (0, 96)], fill=(170, 200, 235))
    for _ in range(14):
        ends = [tuple(int(v) for v in rng.integers(0, SIZE)) for _ in range(2)]
        draw.line(ends, fill=_ink(rng, 150, 220), width=int(rng.integers(1, 5)))
    for _ in range(4):
        x, y = (int(v) for v in rng.integers(0, (110, 84)))
        draw.text((x, y), _word(rng), fill=(60, 60, 60))
    return image


def chart(rng: Rng) -> Image.Image:
    """Bars, a curve, a grid and numbers."""
    image, draw = _canvas(rng)
    for y in range(8, 88, 16):
        draw.line((20, y, 138, y), fill=(205, 205, 205))
        draw.text((2, y - 5), f"{88 - y}", fill=(0, 0, 0), font=ImageFont.load_default(8))
    for x in range(24, 134, 14):
        draw.rectangle((x, int(rng.integers(14, 80)), x + 8, 87), fill=_ink(rng, 40, 220))
    curve = [(x, int(rng.integers(10, 84))) for x in range(24, 138, 14)]
    draw.line(curve, fill=(200, 30, 30), width=2)
    draw.line((20, 88, 138, 88), fill=(0, 0, 0))
    return image


def screen(rng: Rng) -> Image.Image:
    """A window with buttons and text, light or dark."""
    dark = rng.random() < 0.5
    image, draw = _canvas(rng, dark=dark)
    line, text = ((90, 90, 96), (225, 225, 230)) if dark else ((190, 190, 195), (20, 20, 25))
    draw.rectangle((6, 4, 138, 16), fill=line)
    for row in range(3):
        for column in range(2):
            box = (8 + 66 * column, 22 + 24 * row, 66 + 66 * column, 40 + 24 * row)
            draw.rounded_rectangle(box, 4, outline=line)
            draw.text((box[0] + 5, box[1] + 3), _word(rng), fill=text)
    return image


def editor(rng: Rng) -> Image.Image:
    """Lines of code with indents and colours."""
    dark = rng.random() < 0.6
    image, draw = _canvas(rng, dark=dark)
    for row in range(8):
        x = 6 + 8 * int(rng.integers(0, 4))
        for _ in range(int(rng.integers(1, 4))):
            word = _word(rng)
            draw.text((x, 4 + 11 * row), word, fill=_ink(rng, *((130, 250) if dark else (0, 130))))
            x += 7 * len(word)
    return image


def pixel_font(rng: Rng) -> Image.Image:
    """Letters of a pixel font, drawn without smoothing and doubled."""
    small = Image.new("1", (SIZE[0] // 2, SIZE[1] // 2), 1)
    draw = ImageDraw.Draw(small)
    draw.fontmode = "1"
    for row in range(4):
        letters = "".join(rng.choice(list(string.ascii_uppercase + string.digits), 9))
        draw.text((2, 1 + 12 * row), letters, fill=0, font=ImageFont.load_default(8))
    return small.resize(SIZE, Image.Resampling.NEAREST).convert("RGB")


def poster(rng: Rng) -> Image.Image:
    """Large flat shapes with hard edges."""
    image, draw = _canvas(rng, dark=rng.random() < 0.5)
    for _ in range(6):
        a, b = (np.sort(rng.integers(0, side, 2)) for side in SIZE)
        box = (int(a[0]), int(b[0]), int(a[1]) + 4, int(b[1]) + 4)
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=_ink(rng, 0, 256))
    return image
