"""Keeps the best weights so far by a validation measure, and decides when a stage ends early."""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from train.errors import TrainingError
from train.recipes.stages import higher_is_better


@dataclass
class BestWeights:
    """Keeps a copy of the averaged weights with the best validation.

    Attributes:
        wanted: A measure of one set, such as `psnr_y_pairs`; or a measure, such as `psnr_y`, taken
            from the pairs, else from held-out images, else from the first set. None keeps nothing.
        patience: Validations without improvement that end the stage; 0 for no early end.
        kept: Step, seconds, metrics and weights of the best validation; empty before the first.
        waited: Number of validations since the best one.
    """

    wanted: str | None
    patience: int = 0
    kept: dict[str, Any] = field(default_factory=dict)
    waited: int = 0

    def look(self, step: int, seconds: float, metrics: dict[str, float], model: nn.Module) -> None:
        """Keeps the weights if they are better than all before.

        Args:
            step: Number of steps so far.
            seconds: Training time so far.
            metrics: Results of the validation, by name.
            model: Model with the averaged weights.

        Raises:
            TrainingError: If the wanted measure is not among the results.
        """
        if self.wanted is None:
            return
        number = self._number(metrics)
        value, sign = metrics[number], 1 if higher_is_better(number) else -1
        before = sign * self.kept["metrics"][number] if self.kept else -math.inf
        if math.isnan(value) or sign * value <= before:
            self.waited += 1
            return
        self.waited = 0
        weights = copy.deepcopy(model.state_dict())
        self.kept = {"step": step, "seconds": seconds, "metrics": metrics, "model": weights}

    @property
    def exhausted(self) -> bool:
        """Whether the stage shall end, as `patience` is used up."""
        return 0 < self.patience <= self.waited

    def _number(self, metrics: dict[str, float]) -> str:
        wanted = str(self.wanted)
        candidates = [wanted, f"{wanted}_pairs", f"{wanted}_held_out"]
        candidates += [number for number in metrics if number.startswith(f"{wanted}_")]
        found = next((number for number in candidates if number in metrics), None)
        if found is None:
            raise TrainingError(
                f"--best {wanted} was not measured; choose one of {', '.join(sorted(metrics))}"
            )
        return found

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {"kept": self.kept, "waited": self.waited}

    def load(self, state: dict[str, Any]) -> None:
        """Restores the result of `state`."""
        self.kept, self.waited = state["kept"], state["waited"]
