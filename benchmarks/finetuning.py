"""How many pictures and steps of the recipe `finetune` bring how much, on pairs that no run saw.

    python -m benchmarks.finetuning PHOTOS OUT [--pictures 5 20 80] [--steps 300 900 1800]

Printed and scanned photographs, as `benchmarks.printed_pairs` makes them; a row for each number of
pictures and of steps, a run of its own with a learning rate that falls to its end there. Fewer
pictures are some of the more. A row whose run was stopped goes on with the same command; one that
is finished is only measured. A step of size s takes 0.4 to 1 s on one thread of a CPU.
"""

import argparse
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from torch import Tensor

import kdsr
from benchmarks.printed_pairs import write_pair
from kdsr import KDSR
from tools.arguments import parser_of
from train.data.images import find_images, held_out_names
from train.measuring.evaluation import averages, evaluate_model
from train.measuring.pairs import real_pairs

_RUN = Path(__file__).parents[1] / "train" / "run.py"
_SCALE = 4
_SIDE = 128  # LQ px of the middles that are measured
_MODEL = "kdsr-s-x4"


def main() -> None:
    """Prints a Markdown table, row by row."""
    parser = parser_of(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, nargs="+", default=[5, 20, 80])
    parser.add_argument("--steps", type=int, nargs="+", default=[300, 900, 1800])
    parser.add_argument("--measured_on", type=int, default=10, help="pictures that no run sees")
    args = parser.parse_args()
    test = _prepare(args)
    print("| model | pictures | steps | CPU minutes | PSNR / SSIM |")
    print("|---|---|---|---|---|")
    print(f"| `{_MODEL}` | - | - | - | {_score(kdsr.load(_MODEL), test)} |", flush=True)
    for count in args.pictures:
        for steps in args.steps:
            run = args.out / f"run-{count}-{steps}"
            minutes = _train(args.out / f"{count}", run, count, steps)
            model = kdsr.load(run / f"{_MODEL}-finetuned.safetensors")
            row = f"| `finetune` | {count} | {steps} | {minutes:.1f} | {_score(model, test)} |"
            print(row, flush=True)


def _prepare(args: argparse.Namespace) -> Path:
    """Writes the pairs of each row, and those to measure on; returns the latter's folder."""
    paths = {path.name: path for path in find_images(args.photos)}
    held = held_out_names(list(paths), args.measured_on)
    free = [name for name in paths if name not in held]
    chosen = {str(count): held_out_names(free, count) for count in args.pictures}
    for part, names in {"test": held, **chosen}.items():
        for name in sorted(names):
            if not (args.out / part / "LQ" / f"{paths[name].stem}.png").is_file():
                write_pair(paths[name], args.out / part, _SCALE)
    return args.out / "test"


def _train(pairs: Path, run: Path, count: int, steps: int) -> float:
    """Trains, or goes on; returns the minutes of CPU time that this took now."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(
        [
            sys.executable, str(_RUN), "finetune", "--data", str(pairs / "GT"),
            "--lq", str(pairs / "LQ"), "--out", str(run), "--init", _MODEL, "--threads", "1",
            "--student.steps", str(steps), "--hold_out", str(max(1, min(4, count // 5))),
            "--calibration", "0", "--preview_every", str(steps), "--name", f"{_MODEL}-finetuned",
        ],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before) / 60


def _score(model: KDSR, test: Path) -> str:
    """PSNR in dB and SSIM on luma, over the middles of the pairs."""
    pairs = [
        replace(pair, lq=_middle(pair.lq, _SIDE), gt=_middle(pair.gt, _SIDE * _SCALE))
        for pair in real_pairs(test / "GT", test / "LQ", _SCALE)
    ]
    mean = averages(evaluate_model(model, pairs))["all"]
    return f"{mean.psnr:.2f} / {mean.ssim:.3f}"


def _middle(image: Tensor, side: int) -> Tensor:
    """Begins at a whole LQ pixel, whatever the scale."""
    factor = side // _SIDE
    top, left = ((n // factor - _SIDE) // 2 * factor for n in image.shape[2:])
    return image[:, :, top : top + side, left : left + side]


if __name__ == "__main__":
    main()
