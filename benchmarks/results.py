"""Makes the rows of docs/results.md: models by the paper's protocol, and the effect of their IDRs.

    python -m benchmarks.results --models kdsr-s-x4 FILE --sets Set5 Set14
        [--held_out PHOTOS] [--protocol gaussian8]

Each row holds PSNR / SSIM of a model on a set, bicubic upscaling, and the changes with the set's
mean IDR and with the IDR of the opposite degradation. --held_out adds the general protocol on the
photographs that a training with --hold_out 8 kept aside, and counts those on which bicubic is
better.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import kdsr
from kdsr import KDSR
from tools.arguments import parser_of
from train.measuring.evaluation import IDRS, Row, averages, evaluate_model
from train.measuring.pairs import Pair, degraded_pairs
from train.measuring.protocols import protocol

HELD_OUT = 8


def main() -> None:
    """Prints Markdown tables."""
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", required=True, help="names or paths")
    parser.add_argument("--sets", nargs="+", type=Path, required=True, help="folders of GT images")
    parser.add_argument("--protocol", default="gaussian8")
    parser.add_argument("--held_out", type=Path, help="folder of the training photographs")
    arguments = parser.parse_args()
    models = {name: kdsr.load(name) for name in arguments.models}
    scale = next(iter(models.values())).config.scale
    cases = protocol(arguments.protocol, scale)
    print(f"{arguments.protocol}\n")
    print("| model | set | PSNR / SSIM | bicubic | mean IDR | wrong IDR |")
    print("|---|---|---|---|---|---|")
    for folder in arguments.sets:
        pairs = list(degraded_pairs(folder, cases, scale))
        for name, model in models.items():
            print(_row(Path(name).stem, folder.name, model, pairs), flush=True)
    if arguments.held_out:
        _held_out(models, arguments.held_out, scale)


def _row(name: str, where: str, model: KDSR, pairs: Sequence[Pair]) -> str:
    own, mean, wrong = (
        averages(evaluate_model(model, pairs, idr=idr))["all"].numbers for idr in IDRS
    )
    said = f"| {name} | {where} | {_both(own)} | {_both(own, 'bicubic_')} | "
    return said + _against(own, mean, wrong)


def _both(numbers: Mapping[str, float], of: str = "") -> str:
    return f"{numbers[f'{of}psnr']:.2f} / {numbers[f'{of}ssim']:.4f}"


def _against(own: Mapping[str, float], *others: Mapping[str, float]) -> str:
    return "".join(f"{other['psnr'] - own['psnr']:+.2f} dB | " for other in others).rstrip()


def _held_out(models: dict[str, KDSR], folder: Path, scale: int) -> None:
    pairs = list(degraded_pairs(folder, protocol("general", scale), scale, HELD_OUT))
    print(f"\ngeneral, {HELD_OUT} photographs held out of training\n")
    print("| model | PSNR / SSIM | bicubic | worse than bicubic | mean IDR | wrong IDR |")
    print("|---|---|---|---|---|---|")
    for name, model in models.items():
        rows, *others = (evaluate_model(model, pairs, idr=idr) for idr in IDRS)
        own, mean, wrong = (averages(x)["all"].numbers for x in (rows, *others))
        print(
            f"| {Path(name).stem} | {_both(own)} | {_both(own, 'bicubic_')} | {_losses(rows)} | "
            f"{_against(own, mean, wrong)}",
            flush=True,
        )


def _losses(rows: Sequence[Row]) -> str:
    """Counts the photographs and the single draws on which bicubic is better."""
    photographs: dict[str, list[float]] = {}
    draws = []
    for row in rows:
        gain = row.numbers["psnr"] - row.numbers["bicubic_psnr"]
        photographs.setdefault(row.image, []).append(gain)
        draws += [f"{row.image} {row.case} {gain:+.2f} dB"] if gain <= 0 else []
    lost = sum(sum(gains) <= 0 for gains in photographs.values())
    named = f" ({', '.join(draws)})" if draws else ""
    return f"{lost} of {len(photographs)} photographs; {len(draws)} of {len(rows)} draws{named}"


if __name__ == "__main__":
    main()
