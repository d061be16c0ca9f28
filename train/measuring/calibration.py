"""What a finished model's IDRs mean, measured on photographs that are degraded in known ways.

See `kdsr.network.calibration` for what is kept.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdsr import KDSR, KDSRError
from kdsr.files.tensors import read_tensors
from kdsr.files.weights import load_student, save_checkpoint
from kdsr.meaning.readings import regress
from kdsr.network.calibration import QUANTITIES, Calibration
from train.data.cache import ImageCache
from train.data.crops import CropSampler
from train.degradation.general import GeneralDegradation, GeneralOptions, GeneralParameters
from train.degradation.pipelines import Degradation, DegradationOptions
from train.measuring.fitting import fit_discriminants, fit_regressor, fit_whitening, known_targets
from train.measuring.protocols import fixed
from train.recipes.reading import build

REFERENCES: dict[str, dict[str, Any]] = {
    "clean": {},
    "light": {"blur": 1.0, "noise": 4.0, "quality": 85.0},
    "medium": {"blur": 2.0, "noise": 8.0, "quality": 65.0},
    "heavy": {"blur": 3.0, "noise": 16.0, "quality": 45.0},
    "light blur": {"blur": 1.0},
    "medium blur": {"blur": 2.0},
    "heavy blur": {"blur": 3.5},
    "light noise": {"noise": 4.0},
    "medium noise": {"noise": 10.0},
    "heavy noise": {"noise": 20.0},
    "light JPEG": {"quality": 85.0},
    "medium JPEG": {"quality": 60.0},
    "heavy JPEG": {"quality": 40.0},
}
"""Degradations by name; blur in GT px at x4, in proportion at other scales."""
_SIDES = (64, 96, 128)  # of LQ crops, so that the errors hold for more than one size
_CHECKED = 8  # images that errors are stated on, where none were held out
_BATCH = 16
_SEED = 7_000_003  # away from training's draws


def calibrate(
    model: KDSR,
    crops: CropSampler,
    held_out: CropSampler,
    degradation: Degradation,
    samples: int = 4000,
) -> Calibration:
    """Shows a model degraded photographs and describes its vectors.

    Args:
        model: A finished student.
        crops: Of photographs to fit on; crops of up to 128 LQ px are taken, smaller ones where an
            image is smaller.
        held_out: Of photographs to state errors on.
        degradation: What the model was trained on: the range that counts as usual.
        samples: Degraded crops to fit on; a quarter as many to state errors on.
    """
    scale = model.config.scale
    general = GeneralDegradation(GeneralOptions(), scale)
    trained = _vectors(model, crops, degradation, samples // 2, stream=0)
    centre, spread = trained.mean(0), trained.std(0).clamp(min=1e-6)
    fit, targets = _labelled(model, crops, general, samples, stream=1)
    check, truth = _labelled(model, held_out, general, samples // 4, stream=2)
    parts = fit_regressor((fit - centre) / spread, targets, _SEED)
    whitening = fit_whitening((trained - centre) / spread)
    usual = _vectors(model, held_out, degradation, samples // 4, stream=3)
    distance = (torch.cat((trained, usual)) - centre) / spread @ whitening.T
    groups = _references(model, crops, max(_BATCH, samples // 32))
    unfinished = Calibration(
        names=tuple(REFERENCES), means=groups.mean(1), centre=centre,
        scale=spread, axes=fit_discriminants((groups - centre) / spread), whitening=whitening,
        quantiles=torch.quantile(distance.norm(dim=1), torch.linspace(0, 1, 101)),
        typical=torch.zeros(4), naive=torch.zeros(4), jpeg_accuracy=torch.zeros(1), **parts,
    )  # fmt: skip
    return _with_errors(unfinished, check, truth)


def _vectors(
    model: KDSR, crops: CropSampler, degradation: Degradation, count: int, stream: int
) -> Tensor:
    """D' of randomly degraded crops, (count or a little more, 4C)."""
    found = []
    for step in range(-(-count // _BATCH)):
        gt = _crops(model, crops, step, stream)
        drawn = degradation.sample(_SEED + stream, step, range(_BATCH))
        found.append(_idr_full(model, degradation.apply(gt, drawn)))
    return torch.cat(found)


def _labelled(
    model: KDSR, crops: CropSampler, general: GeneralDegradation, count: int, stream: int
) -> tuple[Tensor, Tensor]:
    """D' and what the crops went through: (count, 4C) and (count, 4), quality 0 for none."""
    found, truth = [], []
    for step in range(-(-count // _BATCH)):
        gt = _crops(model, crops, step, stream)
        drawn = general.sample(_SEED + stream, step, range(_BATCH))
        found.append(_idr_full(model, general.apply(gt, drawn)))
        truth.append(degradation_targets(drawn))
    return torch.cat(found), torch.cat(truth)


def degradation_targets(drawn: GeneralParameters) -> Tensor:
    """What is to be read: blur along both axes, noise and quality, (B, 4)."""
    long = torch.maximum(drawn.sigma_long, drawn.sigma_short)
    short = torch.minimum(drawn.sigma_long, drawn.sigma_short)
    return torch.stack((long, short, drawn.noise, drawn.quality), dim=1)


def _crops(model: KDSR, crops: CropSampler, step: int, stream: int) -> Tensor:
    smallest = min(min(e.height, e.width) for e in crops.cache.index) // model.config.scale
    side = min(_SIDES[step % len(_SIDES)], smallest) * model.config.scale
    return crops.batch(_SEED + step + 100_000 * stream, range(_BATCH), side, torch.device("cpu"))


@torch.inference_mode()
def _idr_full(model: KDSR, lq: Tensor) -> Tensor:
    head = model.estimator.head.weight
    return model.estimator(lq.to(head))[1].float().cpu()


def _references(model: KDSR, crops: CropSampler, count: int) -> Tensor:
    """D' of the same crops under each reference's degradation, (N, count or a few more, 4C)."""
    groups = []
    for numbers in REFERENCES.values():
        in_px = {k: v * model.config.scale / 4 if k == "blur" else v for k, v in numbers.items()}
        degrade = fixed(model.config.scale, seed=_SEED, **in_px)
        steps = range(-(-count // _BATCH))
        groups.append(
            torch.cat(
                [_idr_full(model, degrade(_crops(model, crops, step, stream=4))) for step in steps]
            )
        )
    return torch.stack(groups)


def _with_errors(c: Calibration, vectors: Tensor, truth: Tensor) -> Calibration:
    """States errors on photographs that nothing was fitted on, and corrects the stated ones."""
    known = known_targets(truth)
    medians = torch.stack([truth[known[:, i] > 0, i].median() for i in range(len(QUANTITIES))])
    naive = ((truth - medians).abs() * known).sum(0) / known.sum(0)
    c = replace(c, naive=naive)
    values, stated, odds = regress(c, vectors)
    typical = ((values - truth).abs() * known).sum(0) / known.sum(0)
    correction = typical / ((stated * known).sum(0) / known.sum(0))
    out_bias = c.out_bias.clone()
    out_bias[4:8] += correction.log()
    accuracy = ((odds > 0) == (truth[:, 3] > 0)).float().mean().reshape(1)
    return replace(c, typical=typical, jpeg_accuracy=accuracy, out_bias=out_bias)


def trained_on(metadata: dict[str, str], scale: int) -> Degradation:
    """The degradations that a file's recipe names; the general ones if it names none."""
    nested: dict = asdict(DegradationOptions())
    for key, value in json.loads(metadata.get("recipe", "{}")).items():
        *parents, last = key.split(".")
        if parents[:1] != ["degradation"]:
            continue
        place = nested
        for parent in parents[1:]:
            place = place.setdefault(parent, {})
        place[last] = tuple(value) if isinstance(value, list) else value
    problems: list[str] = []
    options = build(DegradationOptions, nested, problems)
    if options is None or problems:
        raise KDSRError(f"the recipe in the file cannot be read: {'; '.join(problems)}")
    return options.build(scale)


def calibrate_file(
    path: Path, photographs: ImageCache, held_out: ImageCache, samples: int
) -> Calibration:
    """Calibrates a model in a file and writes it back, in the precision that it had.

    Args:
        path: A student, .safetensors.
        photographs: To fit on.
        held_out: To state errors on; if there are none, some are taken from `photographs`.
        samples: See `calibrate`.

    Raises:
        CheckpointError: If it is not a student.
    """
    if not len(held_out):
        photographs, held_out = photographs.split(max(1, min(_CHECKED, len(photographs) // 4)))
    model = load_student(path)
    model.calibration = calibrate(
        model, CropSampler(photographs, _SEED), CropSampler(held_out, _SEED),
        trained_on(model.metadata, model.config.scale), samples,
    )  # fmt: skip
    dtype = read_tensors(path)[0]["network.head.weight"].dtype
    save_checkpoint(model, path, dtype=dtype)
    return model.calibration


def describe(c: Calibration) -> str:
    """A table of the errors."""
    lines = ["| quantity | mean absolute error | of the best constant guess |", "|---|---|---|"]
    lines += [
        f"| {name} | {error:.2f} | {naive:.2f} |"
        for name, error, naive in zip(QUANTITIES, c.typical, c.naive, strict=True)
    ]
    lines.append(f"\nCompressed or not is told rightly in {float(c.jpeg_accuracy):.1%}.\n")
    return "\n".join(lines)
