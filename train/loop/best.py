"""The best weights so far, by a number of the validation; when to stop waiting for better ones."""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from train.errors import TrainingError
from train.recipes.stages import higher_is_better


@dataclass
class BestWeights:
    """Keeps a copy of the averaged weights of the validation that was the best.

    Attributes:
        wanted: A number of the validation, `psnr_y_pairs`; or a measure, `psnr_y`, of which the
            pairs come first, then held-out images, then the first set. None keeps nothing.
        patience: Validations without improvement that end the stage; 0 for no end.
        kept: Step, hours, numbers and weights of the best one, empty before the first validation.
        waited: Validations since then.
    """

    wanted: str | None
    patience: int = 0
    kept: dict[str, Any] = field(default_factory=dict)
    waited: int = 0

    def look(self, step: int, seconds: float, metrics: dict[str, float], model: nn.Module) -> None:
        """Keeps the weights if they are better than those before.

        Args:
            step: Steps that were made.
            seconds: Of training.
            metrics: Of the validation.
            model: The averaged weights.

        Raises:
            TrainingError: If the number was not measured.
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
        """Whether the stage has waited for something better long enough."""
        return 0 < self.patience <= self.waited

    def _number(self, metrics: dict[str, float]) -> str:
        wanted = str(self.wanted)
        candidates = [wanted, f"{wanted}_pairs", f"{wanted}_held_out"]
        candidates += [number for number in metrics if number.startswith(f"{wanted}_")]
        found = next((number for number in candidates if number in metrics), None)
        if found is None:
            raise TrainingError(
                f"--best {wanted} was not measured; what was: {', '.join(sorted(metrics))}"
            )
        return found

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"kept": self.kept, "waited": self.waited}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` gave."""
        self.kept, self.waited = state["kept"], state["waited"]
