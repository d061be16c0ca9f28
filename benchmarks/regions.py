"""What an image that mixes two sources gains from more than one IDR.

    python -m benchmarks.regions IMAGE... [--model kdsr-s-x4] [--figure FILE.png]

IMAGES are ground truth. The left half of each is degraded in one way and the right half in another.
Upscaled with the IDR of the whole; with one for each half (the masks are given); with an IDR map;
and as a stock upscaler does, which estimates every tile anew. PSNR-Y in dB, over the image without
its frame. Seams: by how much the result's steps across a line differ from the truth's, against the
same between the lines; 1 is invisible.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import kdsr
from benchmarks.seams import tile_by_tile
from kdsr.estimation.maps import idr_map
from kdsr.estimation.regions import Regions
from kdsr.options import DEFAULT_MODEL
from tools.arguments import parser_of
from train.data.images import load_image
from train.measuring.metrics import luma, psnr_y
from train.measuring.protocols import fixed

SOURCES = {
    "sharp with JPEG | blurred": ({"blur": 0.8, "quality": 60}, {"blur": 3.0}),
    "blurred | noisy": ({"blur": 2.5}, {"blur": 1.0, "noise": 15}),
    "clean | noisy with JPEG": ({"blur": 0.8}, {"blur": 1.5, "noise": 10, "quality": 50}),
}
_TILE, _OVERLAP = 24, 8  # LQ pixels; the benchmark images are small
_CELLS = 4
_SHOWN = 360  # px of the figure's parts


def composite(gt: Tensor, scale: int, sources: tuple[dict, dict]) -> Tensor:
    """The LQ image, (1, 3, H, W), whose halves come from two sources."""
    left, right = (fixed(scale, **numbers)(gt) for numbers in sources)
    middle = left.shape[-1] // 2
    return torch.cat((left[..., :middle], right[..., middle:]), dim=-1)


def ways(model: kdsr.KDSR, lq: Tensor) -> dict[str, Callable[[], Tensor]]:
    """The ways to upscale an image of two halves."""
    halves = torch.zeros(1, 1, *lq.shape[-2:])
    halves[..., : lq.shape[-1] // 2] = 1

    def regions(feather: int) -> Tensor:
        found = Regions.of_masks(model, lq, halves, feather=feather, dtype="fp32")
        return model.upscale(lq, found, dtype="fp32")

    return {
        "one IDR": lambda: model.upscale(lq, dtype="fp32"),
        "regions": lambda: regions(4),
        "IDR map": lambda: model.upscale(
            lq, idr_map(model, lq, cells=_CELLS, dtype="fp32"), dtype="fp32"
        ),
        "tile by tile": lambda: tile_by_tile(model, lq, _TILE, _OVERLAP, None),
    }


def seam(off: Tensor, lines: Tensor) -> float:
    """How visible vertical lines are in an error image, (1, 1, H, W)."""
    step = off.diff(dim=-1).abs().mean((0, 1, 2))
    others = torch.ones(len(step), dtype=torch.bool)
    for near in range(-4, 5):
        others[(lines - 1 + near).clamp(0, len(step) - 1)] = False
    return float(step[lines - 1].mean() / step[others].mean())


def measured(sr: Tensor, gt: Tensor, scale: int) -> list[float]:
    """PSNR-Y of all and of each half, and the seams at tiles and where the sources meet."""
    height, width = gt.shape[-2:]
    middle = width // 2
    spans = (slice(0, width), slice(0, middle), slice(middle, width))
    scores = [float(psnr_y(sr[..., span], gt[..., span], scale)) for span in spans]
    off = luma(sr) - luma(gt)
    # Rows: columns of tiles may lie where the sources meet, which is another question.
    rows = torch.arange(_TILE * scale, height, _TILE * scale)
    return [*scores, seam(off.mT, rows), seam(off, torch.tensor([middle]))]


def main() -> None:
    """Prints a Markdown table for each pair of sources."""
    parser = parser_of(__doc__)
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--figure", type=Path, help="the first image, all ways side by side")
    arguments = parser.parse_args()
    model = kdsr.load(arguments.model)
    scale = model.config.scale
    pictures = [_even(load_image(path), 2 * scale) for path in arguments.images]
    for title, sources in SOURCES.items():
        print(f"\n{title}, {len(pictures)} images\n")
        print("| IDR | PSNR-Y, dB | left | right | seams of tiles | seam of the sources |")
        print("|---|---|---|---|---|---|")
        rows: dict[str, list[list[float]]] = {}
        for gt in pictures:
            lq = composite(gt, scale, sources)
            for name, way in ways(model, lq).items():
                rows.setdefault(name, []).append(measured(way(), gt, scale))
        for name, found in rows.items():
            whole, left, right, tiles, border = torch.tensor(found).mean(0).tolist()
            print(
                f"| {name} | {whole:.2f} | {left:.2f} | {right:.2f} | {tiles:.2f} | {border:.2f} |",
                flush=True,
            )
    if arguments.figure:
        lq = composite(pictures[0], scale, SOURCES["blurred | noisy"])
        draw({name: way() for name, way in ways(model, lq).items()}, arguments.figure)


def draw(results: dict[str, Tensor], path: Path) -> None:
    """What each way makes of the middle of an image, side by side."""
    strips = []
    for sr in results.values():
        middle, top = sr.shape[-1] // 2, (sr.shape[-2] - _SHOWN) // 2
        part = sr[0, :, top : top + _SHOWN, middle - _SHOWN // 2 : middle + _SHOWN // 2]
        strips.append(part.clamp(0, 1))
    pixels = (torch.cat(strips, dim=-1) * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    sheet = Image.new("RGB", (pixels.shape[1], _SHOWN + 34), "white")
    sheet.paste(Image.fromarray(pixels), (0, 34))
    for column, name in enumerate(results):
        at = (column * _SHOWN + 8, 5)
        ImageDraw.Draw(sheet).text(at, name, "black", ImageFont.load_default(22))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=90)


def _even(gt: Tensor, multiple: int) -> Tensor:
    height, width = (side // multiple * multiple for side in gt.shape[-2:])
    return gt[..., :height, :width]


if __name__ == "__main__":
    main()
