"""Checks that end a run: gradients that stay infinite, a dead IDR, a checkpoint of another run."""

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from train.errors import TrainingError
from train.recipes.options import TrainOptions
from train.stages.distillation import Stage

NAN_LIMIT = 10
"""Number of consecutive steps without a finite gradient that end a run."""


def what_is_not_finite(losses: Mapping[str, Tensor]) -> str:
    """Explains why a step had no finite gradient: names the losses that are NaN or infinite."""
    bad = [
        f"{name} is {'NaN' if bool(loss.isnan()) else 'infinite'}"
        for name, loss in losses.items()
        if not bool(loss.isfinite())
    ]
    return " and ".join(bad) or "the gradient overflowed, though every loss is finite"


def check_finite(stage: Stage, step: int, bad_in_a_row: int, cause: str) -> None:
    """Ends the run after `NAN_LIMIT` consecutive steps without a finite gradient.

    Args:
        stage: Stage in training.
        step: Number of the step, from 0.
        bad_in_a_row: Number of consecutive steps without a finite gradient, up to this one.
        cause: Cause of the last one; see `what_is_not_finite`.

    Raises:
        TrainingError: If the limit is reached; the message says what to change.
    """
    if bad_in_a_row >= NAN_LIMIT:
        raise TrainingError(
            f"{NAN_LIMIT} steps in a row gave no finite gradient (up to step {step} of the "
            f"{stage.name}; in the last one {cause}); lower --{stage.name}.lr or use --precision "
            "fp32; the newest checkpoint is from before"
        )


def check_alive(numbers: dict[str, float], min_spread: float) -> None:
    """Ends the run if the IDR carries no information about degradations.

    Args:
        numbers: Results of `IDRProbe.ask`.
        min_spread: Smallest accepted spread over degradations, as a share of the magnitude.

    Raises:
        TrainingError: If the IDR is dead.
    """
    level, spread = numbers["idr_level"], numbers["idr_spread_degradations"]
    if spread < min_spread * level or level == 0:
        raise TrainingError(
            f"the IDR is dead: over degradations of one image idr_full varies by {spread:.1e} at a "
            f"magnitude of {level:.1e}, expected at least --min_spread {min_spread:.0e} of it. The "
            "network would learn nothing about degradations. Check that the degradations vary, or "
            "lower the learning rate"
        )


def check_same_run(
    state: dict[str, Any], where: str, stage: Stage, options: TrainOptions, data_fingerprint: str
) -> None:
    """Raises an error if a checkpoint has other options, another network or other images.

    Args:
        state: State in the checkpoint.
        where: Name of the checkpoint, for the message.
        stage: Stage that resumes from it.
        options: Options of the run.
        data_fingerprint: Fingerprint of the training images.

    Raises:
        TrainingError: If anything differs; names every difference.
    """
    config = vars(stage.model.config)
    if state["config"] != config:
        raise TrainingError(
            f"{where} has another network ({state['config']}, this run has {config}); choose "
            "another --out, or the same size and scale"
        )
    if options.allow_changes:
        return
    then = json.loads(state["decisive"])
    now = json.loads(json.dumps(options.decisive(stage.name), default=str))
    changes = [
        f"{key} was {then[key]}, is {now.get(key, 'absent')}"
        for key in sorted(then)
        if then[key] != now.get(key)
    ]
    if state["data"] != data_fingerprint:
        changes.append(f"the images were {state['data']}, are {data_fingerprint}")
    if changes:
        raise TrainingError(
            f"{where} comes from a run with other options: {'; '.join(changes)}. Use the same "
            "options, choose another --out, or pass --allow_changes"
        )
