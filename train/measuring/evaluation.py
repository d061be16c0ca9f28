"""How close a model comes to the GT of pairs: PSNR, SSIM, and LPIPS where it is given."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kdsr import IDR, KDSR
from train.degradation.resize import resize_bicubic
from train.measuring.lpips import LPIPS
from train.measuring.metrics import psnr_y, ssim_y
from train.measuring.pairs import Pair

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
        bicubic_psnr: Of bicubic upscaling; at x1, here and below, of the input as it is.
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
    track: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
) -> list[Row]:
    """Upscales and measures every pair.

    Args:
        model: Student, on the device to run on.
        pairs: See `degraded_pairs`.
        idr: "own"; "mean", the mean of all pairs' IDRs; or "wrong", the IDR of the same image under
            the case at the other end of the protocol.
        dtype: As in `model.upscale`.
        lpips: To measure LPIPS with, on the CPU.
        track: Iterates over the pairs, and may show how far that has come.
    """
    idrs = choose_idrs(model, pairs, idr, dtype)
    scale, rows = model.config.scale, []
    for pair, chosen in zip(track(pairs), idrs, strict=True):
        sr = model.upscale(pair.lq, chosen, dtype=dtype)
        plain = resize_bicubic(pair.lq, (pair.gt.shape[2], pair.gt.shape[3]))
        row: dict[str, float] = {}
        for prefix, images in (("", sr), ("bicubic_", plain)):
            row[f"{prefix}psnr"] = psnr_y(images, pair.gt, scale).item()
            row[f"{prefix}ssim"] = ssim_y(images, pair.gt, scale).item()
            if lpips is not None:
                row[f"{prefix}lpips"] = lpips(images, pair.gt).item()
        rows.append(Row(pair.image, pair.case, **row))
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


def to_markdown(rows: Sequence[Row], plain: str = "bicubic") -> str:
    """A table of the averages.

    Args:
        rows: Of a model on a set.
        plain: What stands beside it; see `train.cards.facts.plain_name`.
    """
    measured = rows[0].numbers()
    columns = {k: t.replace("bicubic", plain) for k, t in _TITLES.items() if k in measured}
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
