"""Calibrates a finished model's IDRs on photographs with known degradations.

`kdsr.network.models.Calibration` holds the result.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdsr import KDSR, KDSRError
from kdsr.files.weights import load_student, save_checkpoint, stored_dtype
from kdsr.meaning.readings import INSIDE, regress
from kdsr.network.models import QUANTITIES, Calibration, calibration_of
from train.data.cache import ImageCache
from train.data.crops import CropSampler
from train.degradation.blur import blur_beside_x4
from train.degradation.general import GeneralDegradation, GeneralOptions
from train.degradation.pipelines import Degradation, DegradationOptions
from train.errors import DataError
from train.measuring.fitting import fit_discriminants, fit_regressor, fit_whitening, known_targets
from train.measuring.labelled import BATCH, SEED, Labelled, cut, draw_labelled, idr_full_of
from train.measuring.protocols import fixed
from train.measuring.usual import cell_distance
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
"""Reference degradations by name; blur in GT pixels at x4 (see `blur_beside_x4`)."""
_CHECKED = 60  # number of photographs that stated errors are measured on


def calibrate(
    model: KDSR,
    crops: CropSampler,
    held_out: CropSampler,
    degradation: Degradation,
    samples: int = 4000,
) -> Calibration:
    """Calibrates a model on degraded photographs.

    Args:
        model: A finished student.
        crops: Source of crops to fit on, up to 128 LQ pixels per side.
        held_out: Source of crops to measure errors on.
        degradation: The model's training pipeline, which defines the calibrated range.
        samples: Number of degraded crops to fit on; errors are measured on a quarter of it.
    """
    trained = _vectors(model, crops, degradation, samples // 2, stream=0)
    centre, spread = trained.mean(0), trained.std(0).clamp(min=1e-6)
    whitening = fit_whitening((trained - centre) / spread)
    usual = _vectors(model, held_out, degradation, samples // 4, stream=3)
    distance = (torch.cat((trained, usual)) - centre) / spread @ whitening.T
    groups = _references(model, crops, max(BATCH, samples // 32))
    unread = Calibration(
        names=tuple(REFERENCES), means=groups.mean(1), centre=centre,
        scale=spread, axes=fit_discriminants((groups - centre) / spread), whitening=whitening,
        quantiles=torch.quantile(distance.norm(dim=1), torch.linspace(0, 1, 101)),
        hidden_weight=torch.zeros(1, len(centre)), hidden_bias=torch.zeros(1),
        out_weight=torch.zeros(9, 1), out_bias=torch.zeros(9),
        typical=torch.zeros(4), naive=torch.zeros(4), jpeg_accuracy=torch.zeros(1),
    )  # fmt: skip
    held = cell_distance(unread, model, crops, degradation, samples // 4)
    return with_readings(replace(unread, cell_distance=held), model, crops, held_out, samples)


def with_readings(
    c: Calibration, model: KDSR, crops: CropSampler, held_out: CropSampler, samples: int
) -> Calibration:
    """Fits the readings anew and measures their errors; arguments as in `calibrate`."""
    general = GeneralDegradation(GeneralOptions(), model.config.scale)
    fit = draw_labelled(model, crops, general, samples, stream=1, flat=True)
    check = draw_labelled(model, held_out, general, samples // 4, stream=2, flat=False)
    parts = fit_regressor(c.standard(fit.idr_full), fit.truth, SEED)
    return _with_errors(replace(c, **parts), check)


def _vectors(
    model: KDSR, crops: CropSampler, degradation: Degradation, count: int, stream: int
) -> Tensor:
    """`idr_full` of randomly degraded crops, at least `count`: (N, 4C)."""
    found = []
    for step in range(-(-count // BATCH)):
        gt = cut(model, crops, step, stream)
        drawn = degradation.sample(SEED + stream, step, range(BATCH))
        found.append(idr_full_of(model, degradation.apply(gt, drawn)))
    return torch.cat(found)


def _references(model: KDSR, crops: CropSampler, count: int) -> Tensor:
    """`idr_full` of at least `count` crops under each reference degradation: (R, N, 4C)."""
    groups, wider = [], blur_beside_x4(model.config.scale)
    for numbers in REFERENCES.values():
        in_px = {k: v * wider if k == "blur" else v for k, v in numbers.items()}
        degrade = fixed(model.config.scale, seed=SEED, **in_px)
        steps = range(-(-count // BATCH))
        groups.append(
            torch.cat(
                [idr_full_of(model, degrade(cut(model, crops, step, stream=4))) for step in steps]
            )
        )
    return torch.stack(groups)


def _with_errors(c: Calibration, check: Labelled) -> Calibration:
    """Measures errors on held-out photographs, and corrects the predicted errors by them."""
    truth, known = check.truth, known_targets(check.truth)
    medians = torch.stack([truth[known[:, i] > 0, i].median() for i in range(len(QUANTITIES))])
    c = replace(c, naive=((truth - medians).abs() * known).sum(0) / known.sum(0))
    values, stated, odds = regress(c, check.idr_full, check.structure)
    errors = (values - truth).abs()
    typical = (errors * known).sum(0) / known.sum(0)
    widths = [
        torch.quantile((errors / stated)[known[:, i] > 0, i], INSIDE)
        for i in range(len(QUANTITIES))
    ]
    out_bias = c.out_bias.clone()
    out_bias[4:8] += torch.stack(widths).log()
    accuracy = ((odds > 0) == (truth[:, 3] > 0)).float().mean().reshape(1)
    return replace(c, typical=typical, jpeg_accuracy=accuracy, out_bias=out_bias)


def trained_on(metadata: dict[str, str], scale: int) -> Degradation:
    """Makes the training pipeline that a file's recipe names; by default the general one."""
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
    path: Path,
    photographs: ImageCache,
    held_out: ImageCache,
    samples: int,
    *,
    readings_only: bool = False,
    range_only: bool = False,
) -> Calibration:
    """Calibrates the model in a file and writes it back in the same precision.

    Args:
        path: Student weights (.safetensors); the file is rewritten.
        photographs: Photographs to fit on.
        held_out: Photographs to measure errors on; too few are filled up from `photographs`.
        samples: Number of degraded crops; see `calibrate`.
        readings_only: Fit only the readings; keep the file's references and range.
        range_only: Measure only the range of cells; keep everything else in the file.

    Raises:
        CheckpointError: If the file holds no student.
        DataError: If there are no photographs to fit on.
        IDRError: If the file has no calibration to keep.
    """
    model = load_student(path)
    if not len(photographs):
        raise DataError(
            f"all {len(held_out)} photographs are held out, none is left to fit on; hold out fewer"
        )
    wanted = max(1, min(_CHECKED, (len(photographs) + len(held_out)) // 4))
    if len(held_out) < wanted:
        photographs, more = photographs.split(wanted - len(held_out))
        held_out = replace(held_out, index=held_out.index + more.index)
    crops, checked = CropSampler(photographs, SEED), CropSampler(held_out, SEED)
    degradation = trained_on(model.metadata, model.config.scale)
    if range_only:
        made = calibration_of(model)
        held = cell_distance(made, model, crops, degradation, samples // 4)
        made = replace(made, cell_distance=held)
    elif readings_only:
        made = with_readings(calibration_of(model), model, crops, checked, samples)
    else:
        made = calibrate(model, crops, checked, degradation, samples)
    _keep(model, made, path)
    return made


def inherit_calibration(path: Path, source: Path) -> Calibration | None:
    """Copies the calibration of the starting model, for a training with a frozen estimator.

    Args:
        path: Student weights (.safetensors); rewritten in the same precision.
        source: Weights of the student that the training started from.

    Returns:
        The copied calibration; None, without writing, if `source` has none or estimators differ.
    """
    model, origin = load_student(path), load_student(source)
    if origin.calibration is None or model.fingerprint != origin.fingerprint:
        return None
    _keep(model, origin.calibration, path)
    return model.calibration


def _keep(model: KDSR, made: Calibration, path: Path) -> None:
    model.calibration = made
    save_checkpoint(model, path, dtype=stored_dtype(path))


def describe(c: Calibration) -> str:
    """Describes the errors of a calibration as a Markdown table."""
    lines = ["| quantity | mean absolute error | of the best constant guess |", "|---|---|---|"]
    lines += [
        f"| {name} | {error:.2f} | {naive:.2f} |"
        for name, error, naive in zip(QUANTITIES, c.typical, c.naive, strict=True)
    ]
    if c.cell_distance is not None:
        lines.append(f"\n99.9% of cells lie within {float(c.cell_distance):.2f} of the centre.")
    lines.append(f"\nCompressed or not is told rightly in {float(c.jpeg_accuracy):.1%}.\n")
    return "\n".join(lines)
