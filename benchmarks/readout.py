"""How well blur, noise and JPEG quality can be read off an IDR, on photographs never trained on.

    python -m benchmarks.readout FOLDER [--model kdsr-s-x4] [--draws 8]

Every image of the folder (ground truth) is put through random general degradations; half of the
JPEGs are real files. Mean absolute errors of all readings, of those that are sure enough to be
shown, of the best constant guess, and of a classical estimator: wavelet median for noise,
quantisation for JPEG. "Inside" is the share of shown readings whose truth lies within the stated
error.
"""

from pathlib import Path

import torch
from torch import Tensor

import kdsr
from benchmarks.classical import noise_by_wavelet, quality_by_quantisation
from kdsr.meaning.readings import regress
from kdsr.network.calibration import QUANTITIES
from kdsr.network.models import calibration_of
from kdsr.options import DEFAULT_MODEL
from tools.arguments import parser_of
from train.data.images import find_images, load_image
from train.degradation.general import GeneralDegradation, GeneralOptions
from train.measuring.labelled import degrade, targets

_SEED = 31_000_003


def main() -> None:
    """Prints a Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--draws", type=int, default=8, help="degradations of each image")
    arguments = parser.parse_args()
    model = kdsr.load(arguments.model)
    general = GeneralDegradation(GeneralOptions(), model.config.scale)
    idrs, truth, classical = [], [], []
    for index, path in enumerate(find_images(arguments.folder)):
        gt = load_image(path)
        height, width = (n // model.config.scale * model.config.scale for n in gt.shape[2:])
        for draw in range(arguments.draws):
            drawn = general.sample(_SEED, draw, [index])
            lq = degrade(general, gt[:, :, :height, :width], drawn)
            idrs.append(model.estimate(lq, dtype="fp32"))
            truth.append(targets(drawn))
            classical.append(torch.stack((noise_by_wavelet(lq), quality_by_quantisation(lq)), 1))
    report(model, kdsr.IDR.cat(idrs), torch.cat(truth), torch.cat(classical))


def report(model: kdsr.KDSR, idr: kdsr.IDR, truth: Tensor, classical: Tensor) -> None:
    """Prints the table, a row a quantity."""
    values, stated, odds = regress(calibration_of(model), idr.idr_full, idr.structure)
    readings = kdsr.read(model, idr)
    print(f"{len(idr)} degraded images\n")
    print("| quantity | all | shown | share shown | inside | constant guess | classical |")
    print("|---|---|---|---|---|---|---|")
    for i, name in enumerate(QUANTITIES):
        asked = truth[:, 3] > 0 if name == "quality" else torch.ones(len(idr), dtype=torch.bool)
        shown = torch.tensor([getattr(r, name) is not None for r in readings]) & asked
        errors = (values[:, i] - truth[:, i]).abs()
        inside = (errors <= stated[:, i])[shown].float().mean()
        guess = (truth[asked, i] - truth[asked, i].median()).abs().mean()
        print(
            f"| {name} | {errors[asked].mean():.2f} | {errors[shown].mean():.2f} | "
            f"{shown.sum() / asked.sum():.0%} | {inside:.0%} | {guess:.2f} | "
            f"{rival_of(name, classical, truth)} |"
        )
    compressed = truth[:, 3] > 0
    told = ((odds > 0) == compressed).float().mean()
    rival = ((classical[:, 1] > 0) == compressed).float().mean()
    most = max(compressed.float().mean().item(), 1 - compressed.float().mean().item())
    print(f"| compressed or not, right | {told:.0%} | | | | {most:.0%} | {rival:.0%} |")


def rival_of(name: str, classical: Tensor, truth: Tensor) -> str:
    """The mean absolute error of a classical estimator, where there is one."""
    if name == "noise":
        return f"{(classical[:, 0] - truth[:, 2]).abs().mean():.2f}"
    if name == "quality":
        found = (truth[:, 3] > 0) & (classical[:, 1] > 0)
        return f"{(classical[found, 1] - truth[found, 3]).abs().mean():.1f} where found"
    return ""


if __name__ == "__main__":
    main()
