"""What the strength slider does to known degradations, and which blend behaves.

    python -m benchmarks.strength FOLDER [--model kdsr-s-x4] [--figure docs/images/strength.png]

FOLDER holds ground truth that was never trained on. From strength 0 (the clean reference's IDR)
over 1 (as estimated) outwards, blended in one of three places: `idr`, which is what
`kdsr.with_strength` does; `idr_full`, before the estimator's last layer; or the kernels that the
network predicts from it.

sharpness: how much of the ground truth's luma gradients is in the result's (the slope of the one
on the other, so that noise and artefacts do not count as sharp). noise: what differs between
two results whose inputs differ by their noise alone, as a standard deviation in 1/255.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import kdsr
from kdsr import IDR, KDSR
from kdsr.meaning.references import CLEAN
from kdsr.network.tail import run_composed
from kdsr.options import DEFAULT_MODEL
from kdsr.options import STRENGTHS as ALLOWED
from tools.arguments import parser_of
from train.data.images import find_images, load_image
from train.measuring.metrics import luma, psnr_y
from train.measuring.protocols import fixed

BLENDS = ("idr", "idr_full", "kernels")
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
DEGRADATIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "blur 2": {"blur": 2.0},
    "noise 10": {"noise": 10.0},
    "JPEG 50": {"quality": 50.0},
    "blur 2, noise 8, JPEG 65": {"blur": 2.0, "noise": 8.0, "quality": 65.0},
}
_SIDE = 384  # GT pixels of each image that are used


@dataclass(frozen=True)
class Outcome:
    """Averages over the images at one strength."""

    sharpness: float
    psnr: float
    noise: float


@torch.inference_mode()
def upscale_with(model: KDSR, lq: Tensor, idr: IDR, strength: float, blend: str) -> Tensor:
    """(1, 3, H, W) -> (1, 3, sH, sW), the IDR blended from the clean reference's in one place."""
    clean = kdsr.references(model)[CLEAN]
    network = model.network
    if blend == "kernels":
        low, high = (network.predict_kernels(x.idr) for x in (clean, idr))
        kernels = [a + strength * (b - a) for a, b in zip(low, high, strict=True)]
    elif blend == "idr_full":
        full = clean.idr_full + strength * (idr.idr_full - clean.idr_full)
        kernels = network.predict_kernels(model.estimator.compress_idr(full))
    else:
        kernels = network.predict_kernels(clean.idr + strength * (idr.idr - clean.idr))
    features = network.trunk(lq, kernels)
    return (run_composed(network.tail, model.composed_tail(), features) + network.mean).clamp(0, 1)


def outcome(
    model: KDSR, images: Sequence[Tensor], name: str, strength: float, blend: str
) -> Outcome:
    """Runs one degradation at one strength over all images."""
    numbers = DEGRADATIONS[name]
    totals = torch.zeros(3, dtype=torch.float64)
    for index, gt in enumerate(images):
        results = []
        for seed in (2 * index, 2 * index + 1):
            lq = fixed(model.config.scale, seed=seed, **numbers)(gt)
            results.append(
                upscale_with(model, lq, model.estimate(lq, dtype="fp32"), strength, blend)
            )
        sharp = sum(_restored(x, gt) for x in results) / 2
        psnr = psnr_y(results[0], gt, model.config.scale).item()
        noise = (luma(results[0]) - luma(results[1])).std().item() / 2**0.5
        totals += torch.tensor([sharp, psnr, noise], dtype=torch.float64)
    return Outcome(*(totals / len(images)).tolist())


def _restored(sr: Tensor, gt: Tensor) -> float:
    """Slope of the result's gradients on the ground truth's."""
    product = square = 0.0
    for dim in (-1, -2):
        of_sr, of_gt = (luma(x).diff(dim=dim) for x in (sr, gt))
        product += (of_sr * of_gt).sum().item()
        square += of_gt.square().sum().item()
    return product / square


def main() -> None:
    """Prints a Markdown table, and draws the figure."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--blends", nargs="+", default=list(BLENDS), choices=BLENDS)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    model = kdsr.load(arguments.model)
    images = [
        _middle(load_image(path), model.config.scale) for path in find_images(arguments.folder)
    ]
    print(f"{len(images)} images, {arguments.model}\n")
    print("| degradation | blend | measure | " + " | ".join(f"{s:g}" for s in STRENGTHS) + " |")
    print("|---" * (3 + len(STRENGTHS)) + "|")
    curves = {}
    for name in DEGRADATIONS:
        for blend in arguments.blends:
            found = [outcome(model, images, name, s, blend) for s in STRENGTHS]
            curves[name, blend] = found
            for measure, digits in (("sharpness", 3), ("psnr", 2), ("noise", 2)):
                row = " | ".join(f"{getattr(x, measure):.{digits}f}" for x in found)
                print(f"| {name} | {blend} | {measure} | {row} |", flush=True)
    if arguments.figure:
        draw(curves, arguments.figure)


def _middle(gt: Tensor, scale: int) -> Tensor:
    height, width = (min(n, _SIDE) // scale * scale for n in gt.shape[2:])
    top, left = (gt.shape[2] - height) // 2, (gt.shape[3] - width) // 2
    return gt[:, :, top : top + height, left : left + width]


def draw(curves: dict[tuple[str, str], list[Outcome]], path: Path) -> None:
    """Sharpness, PSNR and noise against strength, a line a degradation; grey is out of reach."""
    import matplotlib.pyplot as plt  # pyright: ignore[reportMissingImports]

    titles = {
        "sharpness": "sharpness (share of the original's gradients)",
        "psnr": "PSNR-Y (dB)",
        "noise": "residual noise (1/255)",
    }
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axis, (measure, title) in zip(axes, titles.items(), strict=True):
        for (name, blend), found in curves.items():
            if blend == "idr":
                axis.plot(STRENGTHS, [getattr(x, measure) for x in found], label=name, lw=2)
        axis.axvline(1, color="grey", lw=1, ls=":")
        axis.axvspan(ALLOWED[1], STRENGTHS[-1], color="grey", alpha=0.15, lw=0)
        axis.set(title=title, xlabel="strength")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
