"""What a finished model's IDRs mean, measured on photographs that are degraded in known ways.

See `kdsr.network.models` for what is kept.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdsr import KDSR, KDSRError
from kdsr.files.tensors import stored_dtype
from kdsr.files.weights import load_student, save_checkpoint
from kdsr.meaning.readings import INSIDE, regress
from kdsr.network.models import QUANTITIES, Calibration, calibration_of, fingerprint
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
"""Degradations by name; blur in GT px at x4 (see `blur_beside_x4`)."""
_CHECKED = 60  # photographs that errors are stated on: fewer do not speak for others


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
    """Fits the readout anew and states its errors; arguments as of `calibrate`."""
    general = GeneralDegradation(GeneralOptions(), model.config.scale)
    fit = draw_labelled(model, crops, general, samples, stream=1, flat=True)
    check = draw_labelled(model, held_out, general, samples // 4, stream=2, flat=False)
    parts = fit_regressor(c.standard(fit.idr_full), fit.truth, SEED)
    return _with_errors(replace(c, **parts), check)


def _vectors(
    model: KDSR, crops: CropSampler, degradation: Degradation, count: int, stream: int
) -> Tensor:
    """D' of randomly degraded crops, (count or a little more, 4C)."""
    found = []
    for step in range(-(-count // BATCH)):
        gt = cut(model, crops, step, stream)
        drawn = degradation.sample(SEED + stream, step, range(BATCH))
        found.append(idr_full_of(model, degradation.apply(gt, drawn)))
    return torch.cat(found)


def _references(model: KDSR, crops: CropSampler, count: int) -> Tensor:
    """D' of the same crops under each reference's degradation, (N, count or a few more, 4C)."""
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
    """States errors on photographs that nothing was fitted on, and corrects the stated ones."""
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
    path: Path,
    photographs: ImageCache,
    held_out: ImageCache,
    samples: int,
    *,
    readings_only: bool = False,
    range_only: bool = False,
) -> Calibration:
    """Calibrates a model in a file and writes it back, in the precision that it had.

    Args:
        path: A student, .safetensors.
        photographs: To fit on.
        held_out: To state errors on; if there are few, some are taken from `photographs`.
        samples: See `calibrate`.
        readings_only: Keep the file's references and range, and fit the readout alone.
        range_only: Keep all that the file has, and measure how far cells lie from its centre.

    Raises:
        CheckpointError: If it is not a student.
        DataError: If there are no photographs to fit on.
        IDRError: If there is nothing to keep.
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
    """Takes over the calibration of the model that a training with a frozen estimator began with.

    Args:
        path: A student, .safetensors; rewritten in the precision that it had.
        source: The student that it started from.

    Returns:
        What both now have; None, and nothing is written, if `source` has none or the estimators
        differ.
    """
    model, origin = load_student(path), load_student(source)
    if origin.calibration is None or fingerprint(model.estimator) != fingerprint(origin.estimator):
        return None
    _keep(model, origin.calibration, path)
    return model.calibration


def _keep(model: KDSR, made: Calibration, path: Path) -> None:
    model.calibration = made
    save_checkpoint(model, path, dtype=stored_dtype(path))


def describe(c: Calibration) -> str:
    """A table of the errors."""
    lines = ["| quantity | mean absolute error | of the best constant guess |", "|---|---|---|"]
    lines += [
        f"| {name} | {error:.2f} | {naive:.2f} |"
        for name, error, naive in zip(QUANTITIES, c.typical, c.naive, strict=True)
    ]
    if c.cell_distance is not None:
        lines.append(f"\n99.9% of cells lie within {float(c.cell_distance):.2f} of the centre.")
    lines.append(f"\nCompressed or not is told rightly in {float(c.jpeg_accuracy):.1%}.\n")
    return "\n".join(lines)
