"""Measures the difference between reduced precision and float32 on real images.

    python -m benchmarks.precision FOLDER [--model kdsr-s-x4] [--device cpu]

For each dtype the table holds the share of output values within 1/255 of float32, over all images
and on the worst image, and the largest difference. The IDR is estimated in the same dtype.
"""

import argparse
from pathlib import Path

import torch

import kdsr
from kdsr.cli.upscale import find_inputs
from kdsr.files.images import read_image
from kdsr.options import DEFAULT_MODEL


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    model = kdsr.load(args.model).to(args.device)
    dtypes = ["bf16"] + ["fp16"] * args.device.startswith("cuda")
    within: dict[str, list[tuple[float, int]]] = {dtype: [] for dtype in dtypes}
    largest = dict.fromkeys(dtypes, 0.0)
    for path in find_inputs([str(args.folder)]):
        lq = read_image(path).rgb
        exact = model.upscale(lq, dtype="fp32")
        for dtype in dtypes:
            difference = (model.upscale(lq, dtype=dtype) - exact).abs()
            share = (difference <= 1 / 255).double().mean().item()
            within[dtype].append((share, difference.numel()))
            largest[dtype] = max(largest[dtype], difference.max().item())
    count = len(within["bf16"])
    print(f"{args.model}, {count} images, {torch.__version__}, {args.device}\n")
    print("| dtype | within 1/255 of fp32 | on the worst image | largest difference |")
    print("|---|---|---|---|")
    for dtype, rows in within.items():
        total = sum(share * n for share, n in rows) / sum(n for _, n in rows)
        worst = min(share for share, _ in rows)
        print(f"| {dtype} | {total:.4%} | {worst:.4%} | {largest[dtype] * 255:.1f}/255 |")


if __name__ == "__main__":
    main()
