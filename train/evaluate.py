"""Measures a model by the paper's protocol (Sec. 4.2) and by others.

    python train/evaluate.py --model kdsr-s-x4 --set Set5 --protocol gaussian8 [--out DIR]
    python train/evaluate.py --model kdsr-s-x4 --set GT --lq LQ --protocol pairs

PSNR and SSIM on luma, `scale` pixels shaved, LQ and SR rounded to 8 bit, bicubic upscaling (at x1
the input) beside it; LPIPS too when its weights are given. `--idr` replaces each image's IDR by the
set's mean or by that of the opposite degradation: what the IDR is worth.
"""

import argparse
import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from rich.console import Console
from rich.progress import track

import kdsr
from kdsr import KDSR, KDSRError
from kdsr.atomic import writing
from kdsr.errors import ConfigError
from train.cards.facts import plain_name
from train.errors import DataError
from train.measuring.evaluation import IDRS, evaluate_model, to_csv, to_markdown
from train.measuring.lpips import load_lpips
from train.measuring.pairs import degraded_pairs, real_pairs
from train.measuring.protocols import protocol


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a name, path or hf:// address")
    parser.add_argument("--set", required=True, type=Path, help="folder of GT images")
    parser.add_argument(
        "--protocol",
        default="gaussian8",
        choices=("gaussian8", "iso4", "aniso9", "aniso9-kdsr", "general", "pairs"),
    )
    parser.add_argument("--lq", type=Path, help="folder of LQ images, for pairs")
    parser.add_argument(
        "--hold_out",
        type=int,
        default=0,
        help="only the images of --set that a training with this --hold_out left aside",
    )
    parser.add_argument("--idr", choices=IDRS, default="own")
    parser.add_argument(
        "--lpips",
        nargs=2,
        type=Path,
        metavar=("ALEXNET", "HEADS"),
        help="weights for LPIPS: torchvision's alexnet .pth and the authors' alex.pth",
    )
    parser.add_argument("--dtype", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="folder for the CSV and Markdown files")
    arguments = parser.parse_args(argv)
    try:
        sys.stdout.write(_evaluate(arguments))
    except (KDSRError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _evaluate(arguments: argparse.Namespace) -> str:
    lpips = load_lpips(*arguments.lpips) if arguments.lpips else None
    model = _on_device(kdsr.load(arguments.model), arguments.device)
    scale = model.config.scale
    if arguments.protocol == "pairs":
        if arguments.lq is None:
            raise DataError("the protocol pairs needs --lq FOLDER")
        pairs = list(real_pairs(arguments.set, arguments.lq, scale))
    else:
        cases = protocol(arguments.protocol, scale)
        pairs = list(degraded_pairs(arguments.set, cases, scale, arguments.hold_out))
    rows = evaluate_model(
        model,
        pairs,
        idr=arguments.idr,
        dtype=arguments.dtype,
        lpips=lpips,
        track=functools.partial(track, description="images", console=Console(stderr=True)),
    )
    table = to_markdown(rows, plain_name(scale))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        name = f"{Path(arguments.model).stem}-{arguments.set.name}-{arguments.protocol}"
        name += "" if arguments.idr == "own" else f"-{arguments.idr}"
        for suffix, text in ((".csv", to_csv(rows)), (".md", table)):
            with writing(arguments.out / (name + suffix)) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return table


def _on_device(model: KDSR, device: str) -> KDSR:
    try:
        return model.to(device)
    except (AssertionError, RuntimeError) as error:  # how torch says that there is none
        raise ConfigError(
            f"expected a device that PyTorch can use here (cpu, cuda, mps), got {device!r}: {error}"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
