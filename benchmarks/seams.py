"""Measures and draws the errors of upscaling every tile by itself.

    python benchmarks/seams.py [IMAGE] [--tile 64] [--figure docs/images/seams.png]

A blind upscaler that sees one tile at a time estimates every tile anew and lacks the context behind
its border. The table switches each of the two on and off. It measures steps on the lines between
tiles: how much more neighbouring pixels differ there than in the whole image's result, on average
and at worst, in 1/255.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import kdsr
from kdsr.files.images import read_image
from kdsr.options import DEFAULT_MODEL
from kdsr.pixels import to_bytes

ROOT = Path(__file__).parents[1]
CROP, ZOOM = 120, 4  # side of the shown part in SR pixels, and its enlargement
BRIGHTER = 8


@dataclass(frozen=True)
class Way:
    """A way of upscaling tiles, with its result."""

    name: str
    sr: Tensor
    """Result (1, 3, H, W) in [0, 1]."""


def tile_by_tile(
    model: kdsr.KDSR, lq: Tensor, tile: int, overlap: int, idr: kdsr.IDR | None
) -> Tensor:
    """Upscales each tile by itself and crops the overlap; without `idr`, each estimates its own."""
    height, width = lq.shape[-2:]
    s = model.config.scale
    out = torch.zeros(1, 3, height * s, width * s)
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            top, left = max(0, y - overlap), max(0, x - overlap)
            bottom, right = min(height, y + tile), min(width, x + tile)
            part = lq[..., top : bottom + overlap, left : right + overlap]
            sr = model.upscale(part, idr, tile=None)
            sr = sr[..., (y - top) * s : (bottom - top) * s, (x - left) * s : (right - left) * s]
            out[..., y * s : bottom * s, x * s : right * s] = sr
    return out


def steps(sr: Tensor, whole: Tensor, pitch: int) -> Tensor:
    """Excess differences of neighbours across tile borders over those in `whole`, in 1/255."""
    excess = []
    for a, b in ((sr, whole), (sr.mT, whole.mT)):
        lines = torch.arange(pitch, a.shape[-1], pitch)
        across = [(t[..., lines] - t[..., lines - 1]).abs().mean(1) for t in (a, b)]
        excess.append((across[0] - across[1]).abs().flatten())
    return torch.cat(excess) * 255


def worst_corner(sr: Tensor, whole: Tensor, pitch: int) -> tuple[int, int]:
    """Top left of the square around that corner of four tiles where two results differ most."""
    half = CROP // 2
    difference = (sr - whole).abs().mean(1)[0]
    height, width = difference.shape
    corners = [
        (y - half, x - half)
        for y in range(pitch, height - half, pitch)
        for x in range(pitch, width - half, pitch)
    ]
    return max(corners, key=lambda c: float(difference[c[0] :, c[1] :][:CROP, :CROP].mean()))


def figure(ways: list[Way], whole: Tensor, numbers: list[str], pitch: int) -> Image.Image:
    """Draws the worst corner for every way, above its difference from the whole image's result."""
    y, x = worst_corner(ways[0].sr, whole, pitch)
    side, gap, text = CROP * ZOOM, 12, 64
    sheet = Image.new(
        "RGB", (len(ways) * (side + gap) + gap, text + 2 * (side + gap) + gap), "white"
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(19)
    for column, (way, number) in enumerate(zip(ways, numbers, strict=True)):
        left = gap + column * (side + gap)
        draw.text((left, 8), way.name, "black", font)
        draw.text((left, 34), number, "#555555", font)
        shown = [way.sr, (way.sr - whole).abs() * BRIGHTER]
        for row, picture in enumerate(shown):
            crop = picture[0, :, y : y + CROP, x : x + CROP].clamp(0, 1)
            pixels = to_bytes(crop.permute(1, 2, 0)).numpy()
            large = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(large, (left, text + gap // 2 + row * (side + gap)))
        note = f"difference from the whole image, x{BRIGHTER}"
        draw.text((left + 8, text + side + gap + 12), note, "white", font)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("image", nargs="?", default=ROOT / "samples/lake.png")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--tile", type=int, default=64, help="LQ pixels")
    parser.add_argument("--figure", type=Path, help="file of the figure")
    options = parser.parse_args()

    model = kdsr.load(options.model)
    lq = read_image(Path(options.image)).rgb
    idr = model.estimate(lq)
    whole = model.upscale(lq, idr, tile=None)
    exact = model.upscale(lq, idr, tile=options.tile)
    tile = options.tile
    ways = [
        Way("each tile by itself", tile_by_tile(model, lq, tile, 0, None)),
        Way("own IDRs, overlap 32 px", tile_by_tile(model, lq, tile, 32, None)),
        Way("one IDR, no overlap", tile_by_tile(model, lq, tile, 0, idr)),
        Way("one IDR, exact: Tile Upscale", exact),
    ]
    print(f"{Path(options.image).name}, {lq.shape[-1]} x {lq.shape[-2]}, tiles of {tile} px, 1/255")
    print("| tiles | difference: mean | worst | step at borders: mean | worst |")
    print("|---|---|---|---|---|")
    numbers, pitch = [], tile * model.config.scale
    for way in ways:
        off = (way.sr - whole).abs() * 255
        step = steps(way.sr, whole, pitch)
        print(
            f"| {way.name} | {off.mean():.4f} | {off.max():.4f} "
            f"| {step.mean():.4f} | {step.max():.4f} |"
        )
        numbers.append(f"step at borders: mean {step.mean():.2f}, worst {step.max():.1f} /255")
    if options.figure:
        options.figure.parent.mkdir(parents=True, exist_ok=True)
        shown = [0, 1, 3]
        drawn = figure([ways[i] for i in shown], whole, [numbers[i] for i in shown], pitch)
        drawn.quantize(256).save(options.figure, optimize=True)


if __name__ == "__main__":
    main()
