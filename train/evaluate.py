"""Measures a model by the paper's protocol (Sec. 4.2).

    python train/evaluate.py --model kdsr-s-x4 --set Set5 --protocol gaussian8 [--out DIR]
    python train/evaluate.py --model kdsr-s-x4 --set GT --lq LQ --protocol pairs

PSNR and SSIM on luma, `scale` pixels shaved, LQ and SR rounded to 8 bit, bicubic upscaling beside
it; LPIPS too when its weights are given. `--idr` replaces each image's IDR by the set's mean or by
that of the opposite degradation: what the IDR is worth.
"""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


import kdsr
from kdsr import IDR, KDSR, KDSRError
from kdsr.atomic import writing
from kdsr.errors import ConfigError
from train.degradation.resize import resize_bicubic
from train.errors import DataError
from train.measuring.lpips import LPIPS, load_lpips
from train.measuring.metrics import psnr_y, ssim_y
from train.measuring.pairs import Pair, degraded_pairs, real_pairs
from train.measuring.protocols import protocol

IDRS = ("own", "mean", "wrong")
_TITLES = {
    "psnr": "PSNR-Y", "ssim": "SSIM-Y", "lpips": "LPIPS", "bicubic_psnr": "bicubic PSNR-Y",
    "bicubic_ssim": "bicubic SSIM-Y", "bicubic_lpips": "bicubic LPIPS",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One image under one degradation.

    Attributes:
        image: Its file name.
        case: The degradation.
        psnr: dB, on luma.
        ssim: On luma.
        bicubic_psnr: Of bicubic upscaling.
        bicubic_ssim: Of bicubic upscaling.
        lpips: None without weights for it.
        bicubic_lpips: Of bicubic upscaling.
    """

    image: str
    case: str
    psnr: float
    ssim: float
    bicubic_psnr: float
    bicubic_ssim: float
    lpips: float | None = None
    bicubic_lpips: float | None = None

    def numbers(self) -> dict[str, float]:
        """What was measured, by name."""
        return {k: v for k, v in vars(self).items() if isinstance(v, float)}


def evaluate_model(
    model: KDSR,
    pairs: Sequence[Pair],
    *,
    idr: str = "own",
    dtype: str = "fp32",
    lpips: LPIPS | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Upscales and measures every pair.

    Args:
        model: Student, on the device to run on.
        pairs: See `degraded_pairs`.
        idr: "own"; "mean", the mean of all pairs' IDRs; or "wrong", the IDR of the same image under
            the case at the other end of the protocol.
        dtype: As in `model.upscale`.
        lpips: To measure LPIPS with, on the CPU.
        progress: Called with (pairs done, pairs in all).
    """
    idrs = choose_idrs(model, pairs, idr, dtype)
    scale, rows = model.config.scale, []
    for index, (pair, chosen) in enumerate(zip(pairs, idrs, strict=True)):
        sr = model.upscale(pair.lq, chosen, dtype=dtype)
        plain = resize_bicubic(pair.lq, (pair.gt.shape[2], pair.gt.shape[3]))
        row: dict[str, float] = {}
        for prefix, images in (("", sr), ("bicubic_", plain)):
            row[f"{prefix}psnr"] = psnr_y(images, pair.gt, scale).item()
            row[f"{prefix}ssim"] = ssim_y(images, pair.gt, scale).item()
            if lpips is not None:
                row[f"{prefix}lpips"] = lpips(images, pair.gt).item()
        rows.append(Row(pair.image, pair.case, **row))
        if progress is not None:
            progress(index + 1, len(pairs))
    return rows


def choose_idrs(model: KDSR, pairs: Sequence[Pair], idr: str, dtype: str) -> list[IDR]:
    """The IDR that each pair is upscaled with; see `evaluate_model`."""
    own = [model.estimate(pair.lq, dtype=dtype) for pair in pairs]
    if idr == "own":
        return own
    if idr == "mean":
        return [IDR.cat(own).mean()] * len(own)
    chosen = []
    for index, pair in enumerate(pairs):
        same_image = [i for i, other in enumerate(pairs) if other.image == pair.image]
        chosen.append(own[same_image[-1 - same_image.index(index)]])
    return chosen


def averages(rows: Sequence[Row]) -> dict[str, Row]:
    """Mean over the images for each case, then over everything under "all"."""
    groups = {case: [row for row in rows if row.case == case] for case in _cases(rows)}
    groups["all"] = list(rows)

    def mean(name: str, group: list[Row]) -> Row:
        numbers = {
            key: sum(row.numbers()[key] for row in group) / len(group) for key in group[0].numbers()
        }
        return Row("mean", name, **numbers)

    return {name: mean(name, group) for name, group in groups.items()}


def _cases(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.case for row in rows))


def to_markdown(rows: Sequence[Row]) -> str:
    """A table of the averages."""
    columns = {key: title for key, title in _TITLES.items() if key in rows[0].numbers()}
    lines = [f"| degradation | {' | '.join(columns.values())} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in averages(rows).items():
        numbers = (f"{row.numbers()[key]:.{2 if 'psnr' in key else 4}f}" for key in columns)
        lines.append(f"| {name} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """One line per image and degradation."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["image", "case", *rows[0].numbers()])
    for row in rows:
        writer.writerow([row.image, row.case, *(f"{x:.4f}" for x in row.numbers().values())])
    return buffer.getvalue()


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
        choices=("gaussian8", "aniso9", "aniso9-kdsr", "general", "pairs"),
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
    rows = evaluate_model(model, pairs, idr=arguments.idr, dtype=arguments.dtype, lpips=lpips)
    table = to_markdown(rows)
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
