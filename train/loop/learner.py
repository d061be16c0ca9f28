"""One optimiser step of a stage, and the state that it changes."""

import contextlib
import math
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from train.loop.optimizer import TrainedPart, build_optimizer, load_moments, set_rate
from train.recipes.options import TrainOptions
from train.stages.distillation import Batch, Forward, Stage

Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """Makes an exponential moving average of a model, with a shorter memory at the start.

    Step n keeps `min(decay, (1 + n) / (10 + n))` of the average. With a constant decay of 0.999,
    the starting weights would still make up a third of the average after 1,000 steps. That is too
    slow for new parts (the tail of a new scale) and for short finetuning.

    Args:
        model: Model to average; it is copied.
        decay: Decay per step, at least 0 (no averaging) and less than 1.
    """

    def average(own: Tensors, others: Tensors, count: Tensor | int) -> None:
        n = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(own, others, count)

    return AveragedModel(model, multi_avg_fn=average)


class Learner:
    """A stage's modules with their optimisers, and the average of the model's weights.

    Args:
        stage: Model and losses; moved to the device.
        options: Options of the run.
        accelerator: Device, precision and processes of the run.

    Attributes:
        parts: Modules with an optimiser, in the order of their turns.
        ema: Averaged weights, which are validated and exported.
        nan_steps: Number of steps skipped because a gradient was not finite.
        channels_last: Whether images and weights use the channels-last memory format.
    """

    def __init__(self, stage: Stage, options: TrainOptions, accelerator: Accelerator) -> None:
        self.stage, self.options, self.accelerator = stage, options, accelerator
        self.nan_steps = 0
        device = accelerator.device
        stage.to(device)
        fast = device.type == "cuda" or options.precision == "bf16"
        self.channels_last = fast if options.channels_last is None else options.channels_last
        self.parts: dict[str, TrainedPart] = {}
        self.forward: dict[str, Forward] = {}
        # The copy precedes `prepare`, which wraps the forward method of the trained model.
        self.ema = averaged(stage.model, options.ema)
        self.ema.requires_grad_(False)
        for name, module in stage.parts().items():
            if self.channels_last or module is not stage.model:
                module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            self.parts[name] = TrainedPart(module, build_optimizer(module, stage.options, device))
            self.forward[name] = accelerator.prepare(
                torch.compile(module) if options.compile else module
            )

    def learn(self, step: int, batches: list[Batch]) -> tuple[dict[str, Tensor], float]:
        """Makes one step of all parts, or of none if a gradient is not finite.

        Args:
            step: Number of the step, from 0; decides the learning rate.
            batches: This process's share of the samples, in one or more parts.

        Returns:
            Losses, averaged over processes and samples, on the device; and the largest gradient
            norm, which is infinite or NaN if the step was skipped.
        """
        everything: dict[str, Tensor] = {}
        largest, moved = 0.0, []
        for name, part in self.parts.items():
            if self.stage.rests(name, everything):
                continue
            moved.append(part)
            losses, norm = self._gradients(name, part, batches)
            everything |= losses
            if not math.isfinite(norm):
                self.nan_steps += 1
                return everything, norm
            largest = max(largest, norm)
        for part in moved:
            set_rate(part.optimizer, step, self.stage.options)
            part.optimizer.step()
        self.ema.update_parameters(self.stage.model)
        return everything, largest

    def _gradients(
        self, name: str, part: TrainedPart, batches: list[Batch]
    ) -> tuple[dict[str, Tensor], float]:
        """Computes the gradients of a part; returns its losses and the norm of the gradients."""
        part.module.train()
        for other in self.parts.values():
            for parameter in other.learned:
                parameter.requires_grad_(other is part)
        part.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for index, batch in enumerate(batches):
            forward: Any = self.forward[name]
            last = index == len(batches) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(forward):
                with self.accelerator.autocast():
                    losses = self.stage.losses(name, self.forward, batch)
                total = torch.stack(list(losses.values())).sum() / len(batches)
                self.accelerator.backward(total)
            for key, loss in losses.items():
                sums[key] = sums.get(key, 0) + loss.detach() / len(batches)
        norm = float(torch.nn.utils.clip_grad_norm_(part.learned, self.options.clip))
        if self.accelerator.num_processes > 1:
            sums = {key: self._mean_of_processes(value) for key, value in sums.items()}
        return sums, norm

    def _mean_of_processes(self, value: Tensor) -> Tensor:
        return self.accelerator.reduce(value, "mean")  # pyright: ignore[reportReturnType]

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint: weights, averages and optimiser moments."""
        main = self.parts["model"]
        return {
            "nan_steps": self.nan_steps,
            "model": main.module.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": main.optimizer.state_dict(),
            "parts": {
                name: {"module": p.module.state_dict(), "optimizer": p.optimizer.state_dict()}
                for name, p in self.parts.items()
                if name != "model"
            },
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restores the result of `state`."""
        self.nan_steps = state["nan_steps"]
        main = self.parts["model"]
        main.module.load_state_dict(state["model"])
        load_moments(main.optimizer, state["optimizer"])
        self.ema.load_state_dict(state["ema"])
        for name, saved in state["parts"].items():
            self.parts[name].module.load_state_dict(saved["module"])
            load_moments(self.parts[name].optimizer, saved["optimizer"])
