"""Measures the upscaling of a very large image from file to file: memory, time, size of the result.

    python -m benchmarks.large_image [--width 12000 --height 8000] [--suffix png]

It runs `kdsr upscale` in its own process, on a picture made of mirrored copies of a sample with
noise. `pytest -m slow` uses a smaller one.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from kdsr.files.opening import open_image

_SAMPLE = Path(__file__).resolve().parents[1] / "samples/example.png"


class Run(NamedTuple):
    """Results of a run."""

    seconds: float
    peak_mib: float
    bytes: int
    """Size of the result's file in bytes."""


def make_input(path: Path, width: int, height: int) -> None:
    """Writes the input picture."""
    sample = np.asarray(Image.open(_SAMPLE).convert("RGB"))
    both = np.concatenate((sample, sample[:, ::-1]), axis=1)
    block = np.concatenate((both, both[::-1]))
    rng = np.random.default_rng(0)
    whole = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, len(block)):
        rows = whole[top : top + len(block)]
        plain = np.tile(block, (1, -(-width // block.shape[1]), 1))[: len(rows), :width]
        noisy = plain.astype(np.int16) + rng.integers(-6, 7, rows.shape)
        rows[:] = noisy.clip(0, 255)
    Image.fromarray(whole).save(path, compress_level=1)


def run(source: Path, target: Path, *words: str) -> Run:
    """Upscales a file.

    Raises:
        subprocess.CalledProcessError: If the command fails.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "kdsr", "upscale", str(source), "-o", str(target), *words]
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
    return Run(seconds, peak, target.stat().st_size)


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=12000)
    parser.add_argument("--height", type=int, default=8000)
    parser.add_argument("--suffix", choices=("png", "tif"), default="png")
    parser.add_argument("--model", default="kdsr-s-x4")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as name:
        source, target = Path(name) / "in.png", Path(name) / f"out.{args.suffix}"
        make_input(source, args.width, args.height)
        found = run(source, target, "--model", args.model)
        with open_image(target) as image:
            size = f"{image.width} x {image.height}"
    print("| result | peak GiB | minutes | file GB |\n|---|---|---|---|")
    print(f"| {size}, {args.suffix} | {found.peak_mib / 1024:.2f} | {found.seconds / 60:.1f} "
          f"| {found.bytes / 1e9:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
