"""The dial from faithful to crisp: PSNR against numbers that follow the eye.

    python -m benchmarks.crispness FAITHFUL CRISP FOLDER --perceptual squeezenet_v1.1_caffe.npz
        [--protocol realworld] [--draws 2] [--figure docs/images/crispness.png]

FAITHFUL and CRISP are names or files, FOLDER holds ground truth that was never trained on. Each
image goes through fixed draws of a pipeline. Bicubic upscaling is the first row.
With piq installed there are five more columns.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

import kdsr
from tools.arguments import parser_of
from train.measuring.evaluation import averages, evaluate_model
from train.measuring.pairs import degraded_pairs
from train.measuring.perceptual import perceptual_measures
from train.measuring.protocols import protocol

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
_BICUBIC = "bicubic_"
_IN_A_ROW = 4


def main() -> None:
    """Prints a Markdown table, and draws the figure."""
    parser = parser_of(__doc__)
    parser.add_argument("faithful")
    parser.add_argument("crisp")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--perceptual", type=Path, help="weights of SqueezeNet v1.1 or VGG19")
    parser.add_argument("--protocol", choices=("general", "realworld"), default="general")
    parser.add_argument("--draws", type=int, default=4, help="degradations for each image")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    rows = _measured(arguments)
    bicubic = {k.removeprefix(_BICUBIC): v for k, v in rows[0].items() if k.startswith(_BICUBIC)}
    names = [key for key in rows[0] if not key.startswith(_BICUBIC)]
    print("| crispness | " + " | ".join(names) + " |")
    print("|---" * (1 + len(names)) + "|")
    labels = ("bicubic", *(f"{weight:g}" for weight in WEIGHTS))
    for label, row in zip(labels, (bicubic, *rows), strict=True):
        numbers = (f"{row[name]:.4g}" if name in row else "" for name in names)
        print(f"| {label} | {' | '.join(numbers)} |", flush=True)
    if arguments.figure:
        draw(rows, bicubic, arguments.figure)


def _measured(arguments: argparse.Namespace) -> list[Mapping[str, float]]:
    """Means over all images and draws, for each weight."""
    faithful, crisp = kdsr.load(arguments.faithful), kdsr.load(arguments.crisp)
    scale = faithful.config.scale
    cases = protocol(arguments.protocol, scale)[: arguments.draws]
    pairs = list(degraded_pairs(arguments.folder, cases, scale))
    measures = perceptual_measures(arguments.perceptual, torch.device("cpu"))
    models = (kdsr.blend_models(faithful, crisp, weight) for weight in WEIGHTS)
    found = (evaluate_model(model, pairs, measures=measures) for model in models)
    return [averages(rows)["all"].numbers for rows in found]


def draw(rows: Sequence[Mapping[str, float]], bicubic: Mapping[str, float], path: Path) -> None:
    """A panel a number, against crispness; bicubic is a dotted line."""
    import matplotlib.pyplot as plt  # pyright: ignore[reportMissingImports]

    names = [name for name in bicubic if name != "ssim"]
    columns = min(len(names), _IN_A_ROW)
    lines = math.ceil(len(names) / columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(4 * columns, 3.4 * lines), layout="constrained", squeeze=False
    )
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for axis, name in zip(axes.flat, names, strict=False):
        axis.plot(WEIGHTS, [row[name] for row in rows], lw=2, marker="o")
        axis.axhline(bicubic[name], color="grey", ls=":", label="bicubic")
        axis.set(title="PSNR-Y (dB)" if name == "psnr" else name, xlabel="crispness")
        axis.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
