"""Memory that a very large image needs, and how fast a run stops when asked to.

    python -m benchmarks.large_image [--width 12000 --height 8000] [--steps 8]

The input is float32 and the output 8-bit; both are counted apart from what the upscaling itself
allocates. Stops after `--steps` tiles (0: runs to the end).
"""

import argparse
import itertools
import time

import torch

import kdsr
from benchmarks.timing import resident_peak


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=12000)
    parser.add_argument("--height", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--dtype", default="auto")
    args = parser.parse_args()
    model = kdsr.load()
    torch.manual_seed(0)
    lq = torch.rand(1, 3, args.height, args.width)
    out = torch.empty(1, 3, args.height * 4, args.width * 4, dtype=torch.uint8)
    tile_times: list[float] = []

    def progress(_done: int, total: int) -> None:
        tile_times.append(time.perf_counter())
        if args.steps and len(tile_times) % args.steps == 0:
            raise kdsr.Cancelled(f"{total} tiles in all")

    def run() -> None:
        try:
            idr = model.estimate(lq[..., :512, :512])
            model.upscale(lq, idr, out=out, dtype=args.dtype, progress=progress)
        except kdsr.Cancelled as cancelled:
            print(f"stopped after {len(tile_times)} tiles of {cancelled}\n")

    working = resident_peak(run)
    gib = 1 / 2**30
    written = out.nbytes * gib if not args.steps else float("nan")
    print("| what | GiB |")
    print("|---|---|")
    print(f"| input, float32 | {lq.nbytes * gib:.2f} |")
    print(f"| output, 8-bit | {out.nbytes * gib:.2f} |")
    print(f"| peak beyond the input{' (output included)' * (written == written)} "
          f"| {working / 1024:.2f} |")  # fmt: skip
    longest = max(b - a for a, b in itertools.pairwise(tile_times))
    print(f"\nlongest time between two chances to stop: {longest:.1f} s")


if __name__ == "__main__":
    main()
