"""Measures results of a model or of another program against the ground truth of pairs."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from kdsr import IDR, KDSR
from kdsr.options import SAMPLED
from train.degradation.resize import resize_bicubic
from train.measuring.metrics import colour_shift, psnr_y, ssim_y
from train.measuring.pairs import Pair
from train.measuring.perceptual import Measure

IDRS = ("own", "mean", "wrong")
_TITLES = {
    "psnr": "PSNR-Y", "ssim": "SSIM-Y", "colour": "colour", "lpips": "LPIPS",
    "lpips_vgg": "LPIPS-VGG", "dists": "DISTS", "squeezenet": "SqueezeNet", "vgg19": "VGG19",
    "vgg16": "VGG16", "haarpsi": "HaarPSI", "mdsi": "MDSI", "dss": "DSS", "vsi": "VSI",
    "gmsd": "GMSD",
}  # fmt: skip
_TWO_DIGITS = ("psnr", "colour", "squeezenet", "vgg19", "vgg16")


@dataclass(frozen=True)
class Row:
    """Results for one image under one degradation.

    Attributes:
        image: File name of the image.
        case: Name of the degradation.
        numbers: Results by name: `psnr` (dB, on luma), `ssim` (on luma), `colour` (see
            `colour_shift`), and further measures. Names with the prefix `bicubic_` are results of
            bicubic upscaling, at x1 of the input itself.
    """

    image: str
    case: str
    numbers: Mapping[str, float]


def evaluate_model(
    model: KDSR,
    pairs: Sequence[Pair],
    *,
    idr: str = "own",
    dtype: str = "fp32",
    estimate: str = SAMPLED,
    measures: Mapping[str, Measure] | None = None,
    track: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
) -> list[Row]:
    """Upscales and measures every pair.

    Args:
        model: Student, on the device to run on.
        pairs: Pairs to measure on; see `degraded_pairs`.
        idr: "own"; "mean", the mean of all pairs' IDRs; or "wrong", the IDR of the same image under
            the opposite case of the protocol.
        dtype: Precision, as in `model.upscale`.
        estimate: Way of estimating, as in `model.estimate`.
        measures: Further measures; see `measure`.
        track: Iterates over the pairs, and may show the progress.
    """
    idrs = choose_idrs(model, pairs, idr, dtype, estimate)

    def made() -> Iterator[tuple[Pair, Tensor]]:
        for pair, chosen in zip(track(pairs), idrs, strict=True):
            yield pair, model.upscale(pair.lq, chosen, dtype=dtype)

    return measure(made(), model.config.scale, measures)


def measure(
    made: Iterable[tuple[Pair, Tensor]], scale: int, measures: Mapping[str, Measure] | None = None
) -> list[Row]:
    """Measures results, and bicubic upscaling for comparison.

    Args:
        made: Pairs and results for their LQ, (1, 3, sH, sW) in [0, 1].
        scale: Upscaling factor; PSNR and SSIM ignore as many pixels at each border.
        measures: Further measures by name, in addition to PSNR, SSIM and the shift of colour.
    """
    everything: dict[str, Measure] = {
        "psnr": lambda sr, gt: psnr_y(sr, gt, scale).item(),
        "ssim": lambda sr, gt: ssim_y(sr, gt, scale).item(),
        **(measures or {}),
    }
    rows = []
    for pair, sr in made:
        plain = resize_bicubic(pair.lq, (pair.gt.shape[2], pair.gt.shape[3]))
        numbers = {name: function(sr, pair.gt) for name, function in everything.items()}
        numbers["colour"] = colour_shift(sr, pair.lq).item()
        numbers |= {f"bicubic_{name}": f(plain, pair.gt) for name, f in everything.items()}
        rows.append(Row(pair.image, pair.case, numbers))
    return rows


def choose_idrs(
    model: KDSR, pairs: Sequence[Pair], idr: str, dtype: str, estimate: str = SAMPLED
) -> list[IDR]:
    """Chooses the IDR for upscaling each pair; see `evaluate_model`."""
    own = [model.estimate(pair.lq, dtype=dtype, estimate=estimate) for pair in pairs]
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
    """Averages over the images of each case, and over all rows under "all".

    Means ignore infinite PSNR, which unchanged pictures have at x1.
    """
    groups = {case: [row for row in rows if row.case == case] for case in _cases(rows)}
    groups["all"] = list(rows)

    def mean(name: str, group: list[Row]) -> Row:
        numbers = {
            key: _finite_mean([row.numbers[key] for row in group]) for key in group[0].numbers
        }
        return Row("mean", name, numbers)

    return {name: mean(name, group) for name, group in groups.items()}


def _finite_mean(values: Sequence[float]) -> float:
    finite = [value for value in values if not math.isinf(value)]
    return sum(finite) / len(finite) if finite else math.inf


def _cases(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.case for row in rows))


def to_markdown(rows: Sequence[Row], plain: str = "bicubic") -> str:
    """Formats the averages as a Markdown table.

    Args:
        rows: Results of a model on a set.
        plain: Name of the baseline; see `train.cards.facts.plain_name`.
    """
    keys = list(rows[0].numbers)
    lines = [
        f"| degradation | {' | '.join(_title(key, plain) for key in keys)} |",
        "|---" * (len(keys) + 1) + "|",
    ]
    for name, row in averages(rows).items():
        numbers = (f"{row.numbers[key]:.{_digits(key)}f}" for key in keys)
        lines.append(f"| {name} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def _title(key: str, plain: str) -> str:
    own = key.removeprefix("bicubic_")
    return _TITLES[own] if own == key else f"{plain} {_TITLES[own]}"


def _digits(key: str) -> int:
    return 2 if key.removeprefix("bicubic_") in _TWO_DIGITS else 4


def to_csv(rows: Sequence[Row]) -> str:
    """Formats the results as CSV, with a line per image and degradation."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["image", "case", *rows[0].numbers])
    for row in rows:
        writer.writerow([row.image, row.case, *(f"{x:.4f}" for x in row.numbers.values())])
    return buffer.getvalue()
