"""Measures a model by the paper's protocol (Sec. 4.2) and by others.

    python train/evaluate.py --model kdsr-s-x4 --set Set5 --protocol gaussian8 [--out DIR]
    python train/evaluate.py --model kdsr-s-x4 --set GT --lq LQ --protocol pairs

The table holds PSNR and SSIM on luma (`scale` border pixels left out, LQ and SR rounded to 8 bit),
the shift of the mean colour in steps of 1/255, and bicubic upscaling (at x1 the input) for
comparison. Perceptual distances (SqueezeNet or VGG features, LPIPS, DISTS) need weights files.
Five more perceptual numbers need piq (`pip install piq`, which needs torchvision). `--idr` replaces
each image's IDR by the mean of the set, or by the IDR of the opposite degradation. The difference
shows how much the IDR contributes.

Results of other programs are measured in the same way:

    python train/evaluate.py --save_pairs DIR --set PHOTOS --protocol realworld
    OTHER PROGRAM: DIR/lq -> DIR/sr, same names, .png
    python train/evaluate.py --sr DIR/sr --set DIR/gt --lq DIR/lq --protocol pairs
"""

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from rich.console import Console
from rich.progress import track

import kdsr
from kdsr import KDSR, KDSRError
from kdsr.atomic import writing
from kdsr.errors import ConfigError
from kdsr.options import SAMPLED, WHOLE
from train.cards.facts import plain_name
from train.errors import DataError
from train.measuring.evaluation import IDRS, Row, evaluate_model, measure, to_csv, to_markdown
from train.measuring.pairs import Pair, degraded_pairs, made_images, real_pairs, save_pairs
from train.measuring.perceptual import PIQ, Measure, perceptual_measures
from train.measuring.protocols import protocol

PROTOCOLS = ("gaussian8", "iso4", "aniso9", "aniso9-kdsr", "general", "realworld", "pairs")


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    try:
        sys.stdout.write(_evaluate(_parser().parse_args(argv)))
    except (KDSRError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help="a name, path or hf:// address")
    what.add_argument("--sr", type=Path, help="folder of another program's results for --lq")
    what.add_argument(
        "--save_pairs", type=Path, help="write the pairs into this folder and measure nothing"
    )
    parser.add_argument(
        "--scale", type=int, default=4, help="upscaling factor, for --sr and --save_pairs"
    )
    parser.add_argument("--set", required=True, type=Path, help="folder of GT images")
    parser.add_argument("--protocol", default="gaussian8", choices=PROTOCOLS)
    parser.add_argument("--lq", type=Path, help="folder of LQ images, for --protocol pairs")
    parser.add_argument(
        "--hold_out",
        type=int,
        default=0,
        help="measure only the images of --set that a training with this --hold_out kept aside",
    )
    parser.add_argument("--idr", choices=IDRS, default="own")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="estimate IDRs from every pixel, as in the paper; default: sampled, as kdsr upscale",
    )
    parser.add_argument(
        "--perceptual", type=Path, help="weights of SqueezeNet v1.1 (.npz), VGG16 or VGG19"
    )
    parser.add_argument(
        "--lpips",
        nargs=2,
        type=Path,
        action="extend",
        default=[],
        metavar=("NETWORK", "HEADS"),
        help="weights for LPIPS: torchvision's alexnet or vgg16 .pth, and the authors' alex.pth or "
        "vgg.pth; repeat the option for both networks",
    )
    parser.add_argument(
        "--dists",
        nargs=2,
        type=Path,
        default=[],
        metavar=("VGG16", "WEIGHTS"),
        help="weights for DISTS: torchvision's vgg16 .pth, and the authors' alpha and beta",
    )
    parser.add_argument("--dtype", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="folder for the CSV and Markdown files")
    return parser


def _evaluate(arguments: argparse.Namespace) -> str:
    """Runs the task that the arguments name; returns the text to print."""
    if arguments.save_pairs:
        count = save_pairs(_pairs(arguments, arguments.scale), arguments.save_pairs)
        return f"{count} pairs in {arguments.save_pairs}\n"
    measures = _measures(arguments)
    progress = functools.partial(track, description="images", console=Console(stderr=True))
    if arguments.sr:
        if arguments.protocol != "pairs":
            raise DataError("--sr is measured with --protocol pairs; see --save_pairs")
        name, scale, pairs = arguments.sr.name, arguments.scale, _pairs(arguments, arguments.scale)
        rows = measure(made_images(progress(pairs), arguments.sr), scale, measures)
    else:
        model = _on_device(kdsr.load(arguments.model), arguments.device)
        name, scale = Path(arguments.model).stem, model.config.scale
        rows = evaluate_model(
            model,
            _pairs(arguments, scale),
            idr=arguments.idr,
            dtype=arguments.dtype,
            estimate=WHOLE if arguments.exact else SAMPLED,
            measures=measures,
            track=progress,
        )
    table = to_markdown(rows, plain_name(scale))
    if arguments.out:
        _save(arguments, name, rows, table)
    return table


def _pairs(arguments: argparse.Namespace, scale: int) -> list[Pair]:
    if arguments.protocol == "pairs":
        if arguments.lq is None:
            raise DataError("the protocol pairs needs --lq FOLDER")
        return list(real_pairs(arguments.set, arguments.lq, scale))
    cases = protocol(arguments.protocol, scale)
    return list(degraded_pairs(arguments.set, cases, scale, arguments.hold_out))


def _measures(arguments: argparse.Namespace) -> dict[str, Measure]:
    """Measures beside PSNR and SSIM, by name."""
    cpu = torch.device("cpu")
    measures = perceptual_measures(arguments.perceptual, cpu, arguments.lpips[:4], arguments.dists)
    if PIQ[0] not in measures:
        sys.stderr.write(f"without piq: {', '.join(PIQ)} are left out\n")
    return measures


def _save(arguments: argparse.Namespace, name: str, rows: Sequence[Row], table: str) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = f"{name}-{arguments.set.name}-{arguments.protocol}"
    name += "" if arguments.idr == "own" else f"-{arguments.idr}"
    for suffix, text in ((".csv", to_csv(rows)), (".md", table)):
        with writing(arguments.out / (name + suffix)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _on_device(model: KDSR, device: str) -> KDSR:
    try:
        return model.to(device)
    except (AssertionError, RuntimeError) as error:  # torch raises these for an absent device
        raise ConfigError(
            f"expected a device that PyTorch can use here (cpu, cuda, mps), got {device!r}: {error}"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
