"""What ComfyUI's own Upscale Image (using Model) does to a KDSR model, in numbers.

    python -m benchmarks.stock_tiling IMAGE... [--model kdsr-s-x4]

The photographs are degraded at their own size: blur of 1 px, noise of 5/255, JPEG of quality 60.
That node cuts images into tiles of 512 px that overlap by 32 and fades them into each other. A KDSR
file in Load Upscale Model estimates every tile anew; one from Bake to Upscale Model has one IDR for
all. Both are compared with the whole image's result, in 1/255 of a channel.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import kdsr
from kdsr.options import DEFAULT_MODEL
from train.data.images import load_image
from train.measuring.protocols import fixed

TILE, OVERLAP = 512, 32  # of the stock node, LQ pixels
VISIBLE = 2 / 255


def stock_tiled(upscale: Callable[[Tensor], Tensor], lq: Tensor, scale: int) -> Tensor:
    """ComfyUI's `comfy.utils.tiled_scale` for one image (1, 3, H, W)."""
    height, width = lq.shape[-2:]
    total = torch.zeros(1, 3, height * scale, width * scale)
    weights = torch.zeros(1, 1, height * scale, width * scale)
    for top in _starts(height):
        for left in _starts(width):
            sr = upscale(lq[..., top : top + TILE, left : left + TILE])
            fade = _ramp(sr.shape[-2], scale)[:, None] * _ramp(sr.shape[-1], scale)
            rows = slice(top * scale, top * scale + sr.shape[-2])
            columns = slice(left * scale, left * scale + sr.shape[-1])
            total[..., rows, columns] += sr * fade
            weights[..., rows, columns] += fade
    return total / weights


def _starts(length: int) -> range:
    """Where tiles begin along an axis; the last one may be short."""
    return range(0, length - OVERLAP, TILE - OVERLAP) if length > TILE else range(1)


def _ramp(length: int, scale: int) -> Tensor:
    """Weights along a tile's axis: they fall towards both ends, at the image's border too."""
    ramp, feather = torch.ones(length), OVERLAP * scale
    if feather < length:
        rising = torch.arange(1, feather + 1) / feather
        ramp[:feather] *= rising
        ramp[-feather:] *= rising.flip(0)
    return ramp


def turns(model: kdsr.KDSR, lq: Tensor) -> list[float]:
    """Degrees between each stock tile's IDR and the whole image's."""
    whole = model.estimate(lq, dtype="fp32").idr_full
    found = []
    for top in _starts(lq.shape[-2]):
        for left in _starts(lq.shape[-1]):
            tile = lq[..., top : top + TILE, left : left + TILE]
            own = model.estimate(tile, dtype="fp32").idr_full
            cosine = torch.cosine_similarity(whole, own).clamp(-1, 1)
            found.append(float(cosine.acos().rad2deg()))
    return found


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("images", nargs="+", type=Path, help="photographs longer than a tile")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    options = parser.parse_args()
    model = kdsr.load(options.model)
    scale, degrade = model.config.scale, fixed(1, blur=1, noise=5, quality=60)
    print("| image | IDR of tiles, degrees off | way | mean | worst | share off by 2 or more |")
    print("|---|---|---|---|---|---|")
    for path in options.images:
        lq = degrade(load_image(path))
        idr = model.estimate(lq, dtype="fp32")
        whole = model.upscale(lq, idr, dtype="fp32")
        degrees = turns(model, lq)
        baked = model.bake(idr)
        ways: dict[str, Callable[[Tensor], Tensor]] = {
            "Load Upscale Model": lambda tile: model.upscale(tile, dtype="fp32"),
            "Bake to Upscale Model": lambda tile, baked=baked: baked(tile).clamp(0, 1),
        }
        for name, way in ways.items():
            with torch.inference_mode():
                off = (stock_tiled(way, lq, scale) - whole).abs()
            share = float((off >= VISIBLE).float().mean())
            print(
                f"| {path.stem}, {lq.shape[-1]} x {lq.shape[-2]} | "
                f"{min(degrees):.1f} to {max(degrees):.1f} | {name} | {off.mean() * 255:.2f} | "
                f"{off.max() * 255:.1f} | {share:.2%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
