"""What models make of patterns that come again with every LQ pixel: combs, edges made of beads.

    python -m benchmarks.grids FOLDER MODEL... [--protocol realworld] [--draws 1]

FOLDER holds ground truth that was never trained on; each image goes through fixed draws of a
pipeline. Prints `train.losses.grid.grid_loss` of each model in 1/255: how much stronger than in the
ground truth such patterns are along lines.
"""

from pathlib import Path

import torch

import kdsr
from kdsr import KDSR
from tools.arguments import parser_of
from train.losses.grid import grid_loss
from train.measuring.pairs import Pair, degraded_pairs
from train.measuring.protocols import protocol


def main() -> None:
    """Prints one Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+", help="names or files, all of one scale")
    parser.add_argument("--protocol", choices=("general", "realworld"), default="realworld")
    parser.add_argument("--draws", type=int, default=1, help="degradations for each image")
    arguments = parser.parse_args()
    models = {name: kdsr.load(name) for name in arguments.models}
    scale = next(iter(models.values())).config.scale
    cases = protocol(arguments.protocol, scale)[: arguments.draws]
    pairs = list(degraded_pairs(arguments.folder, cases, scale))
    print("| model | grid, 1/255 |\n|---|---|")
    for name, model in models.items():
        found = [_grid(model, pair) for pair in pairs]
        print(f"| {name} | {255 * sum(found) / len(found):.3f} |", flush=True)


@torch.inference_mode()
def _grid(model: KDSR, pair: Pair) -> float:
    sr = model.upscale(pair.lq, dtype="fp32").clamp(0, 1)
    return float(grid_loss(sr, pair.gt, model.config.scale))


if __name__ == "__main__":
    main()
