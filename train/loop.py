"""The training loop: one for all stages."""

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kdsr.errors import KDSRError
from train.checkpoints import Checkpoints
from train.config import StageOptions, TrainOptions
from train.data import CropSampler
from train.degradation import Degradation
from train.log import RunLog
from train.stages import Stage

NAN_LIMIT = 10
"""Steps in a row without a finite loss that end a run."""


class TrainingError(KDSRError):
    """A run that cannot go on."""


def learning_rate(step: int, options: StageOptions) -> float:
    """Linear warm-up, then a cosine to the final rate. A function of the step: nothing to save."""
    if step < options.warmup:
        return options.lr * (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return options.final_lr + (options.lr - options.final_lr) * cosine


@dataclass
class Loop:
    """Trains one stage to its end, or to the time limit.

    Attributes:
        options: Of the run.
        stage_options: Of this stage.
        stage: What is trained, and on which losses.
        crops: Source of GT patches.
        degradation: Makes LQ patches of them.
        accelerator: Device, precision and processes.
        checkpoints: Where the state is kept.
        log: Where numbers and pictures go.
        deadline: `time.monotonic()` value at which to stop.
    """

    options: TrainOptions
    stage_options: StageOptions
    stage: Stage
    crops: CropSampler
    degradation: Degradation
    accelerator: Accelerator
    checkpoints: Checkpoints
    log: RunLog
    deadline: float = math.inf
    step: int = field(default=0, init=False)
    nan_steps: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        model = self.stage.model.to(self.accelerator.device)
        if self.options.channels_last:
            model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=self.stage_options.lr, betas=(0.9, 0.99)
        )
        self.ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(self.options.ema))
        self.ema.requires_grad_(False)
        compiled = torch.compile(model) if self.options.compile else model
        self.forward = self.accelerator.prepare(compiled)

    def run(self) -> bool:
        """Trains; returns whether the stage is finished (False: the time limit came first)."""
        self._resume()
        started, bad_in_a_row = time.monotonic() - self.seconds, 0
        self.log.start(self.stage.name, self.step, self.stage_options.steps)
        while self.step < self.stage_options.steps:
            if time.monotonic() > self.deadline:
                self._save()
                return False
            losses, norm = self._optimise()
            if math.isfinite(norm):
                bad_in_a_row = 0
            else:
                self.nan_steps, bad_in_a_row = self.nan_steps + 1, bad_in_a_row + 1
                if bad_in_a_row >= NAN_LIMIT:
                    raise TrainingError(
                        f"{NAN_LIMIT} steps in a row gave no finite gradient (at step {self.step} "
                        f"of the {self.stage.name}); lower {self.stage.name}.lr or use "
                        "--precision fp32. The last checkpoint is from before"
                    )
            self.step += 1
            self.seconds = time.monotonic() - started
            self._report(losses, norm)
        self._save()
        self.log.finish()
        return True

    def _optimise(self) -> tuple[dict[str, float], float]:
        """One step; returns the losses and the gradient norm (NaN: the step was skipped)."""
        self.stage.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.stage_options)
        self.optimizer.zero_grad(set_to_none=True)
        parts = self._samples()
        sums: dict[str, float] = {}
        for index, samples in enumerate(parts):
            lq, gt = self.batch(self.step, samples)
            last = index == len(parts) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.forward):
                with self.accelerator.autocast():
                    losses = self.stage.losses(self.forward, lq, gt)
                total = torch.stack(list(losses.values())).sum() / len(parts)
                self.accelerator.backward(total)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss.item() / len(parts)
        norm = self.accelerator.clip_grad_norm_(self.stage.model.parameters(), self.options.clip)
        norm = float(norm) if norm is not None else math.nan
        if math.isfinite(norm):
            self.optimizer.step()
            self.ema.update_parameters(self.stage.model)
        return sums, norm

    def _samples(self) -> list[list[int]]:
        """This process' share of the step's samples, in `accumulate` parts."""
        count, rank = self.accelerator.num_processes, self.accelerator.process_index
        mine = list(range(self.options.batch))[rank::count]
        return [mine[i :: self.options.accumulate] for i in range(self.options.accumulate)]

    def batch(self, step: int, samples: list[int]) -> tuple[Tensor, Tensor]:
        """LQ and GT patches of the given samples of a step, on the training device."""
        gt = self.crops.batch(step, samples, self.accelerator.device)
        lq = self.degradation.apply(gt, self.degradation.sample(self.options.seed, step, samples))
        if self.options.channels_last:
            lq = lq.contiguous(memory_format=torch.channels_last)
        return lq, gt

    def _report(self, losses: dict[str, float], norm: float) -> None:
        options, last = self.options, self.step == self.stage_options.steps
        rate = learning_rate(self.step - 1, self.stage_options)
        numbers = {**losses, "grad_norm": norm, "lr": rate, "nan_steps": self.nan_steps}
        if self.step % options.log_every == 0 or last:
            numbers["samples_per_second"] = self.step * options.batch / self.seconds
            self.log.numbers(self.step, numbers)
        self.log.advance(self.step, losses)
        if self.step % options.validate_every == 0 or last:
            described = self.describe()
            self.log.numbers(self.step, described)
            self._check_alive(described)
        if self.accelerator.is_main_process and (self.step % options.preview_every == 0 or last):
            self.log.preview(self.step, self._preview())
        if self.step % options.save_every == 0:
            self._save()

    @torch.no_grad()
    def describe(self) -> dict[str, float]:
        """How much the IDR says: its spread over degradations and over images, and validation."""
        self.stage.model.eval()
        samples = list(range(8))
        gt = self.crops.batch(0, samples, self.accelerator.device)
        one_image = gt[:1].expand_as(gt)
        drawn = self.degradation.sample(self.options.seed, 0, samples)
        same = self.degradation.sample(self.options.seed, 0, [0] * len(samples))
        over = {
            "degradations": (self.degradation.apply(one_image, drawn), one_image),
            "images": (self.degradation.apply(gt, same), gt),
        }
        numbers = {}
        for name, (lq, target) in over.items():
            described = self.stage.describe(lq, target)
            numbers |= {f"{key}_over_{name}": value for key, value in described.items()}
        if self.accelerator.is_main_process:
            numbers |= self.log.validate(self.stage, self.ema.module, self.accelerator.device)
        return numbers

    def _check_alive(self, numbers: dict[str, float]) -> None:
        spread = numbers.get("idr_spread_over_degradations", math.nan)
        if self.stage.name == "teacher" and spread < self.options.min_spread:
            raise TrainingError(
                f"the IDR is dead: over degradations its entries vary by {spread:.1e}, less than "
                f"min_spread {self.options.min_spread:.1e}. The network would be blind to "
                "degradations; check the initialisation, the learning rate and that the "
                "degradations vary"
            )

    @torch.no_grad()
    def _preview(self) -> dict[str, Tensor]:
        lq, gt = self.batch(0, list(range(min(4, self.options.batch))))
        return {"lq": lq, self.stage.name: self.stage.upscale(self.ema.module, lq, gt), "gt": gt}

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "nan_steps": self.nan_steps,
            "seconds": self.seconds,
            "config": vars(self.stage.model.config),
            "model": self.stage.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self.checkpoints.save(self.step, self._state())
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        state = self.checkpoints.load() if self.options.resume else None
        if state is None:
            return
        if state["config"] != vars(self.stage.model.config):
            raise TrainingError(
                f"the {self.stage.name} checkpoint in {self.checkpoints.folder} is of another "
                f"network ({state['config']}, this run has {vars(self.stage.model.config)}); "
                "choose another --out, or the same size and scale"
            )
        self.stage.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.nan_steps = state["step"], state["nan_steps"]
        self.seconds = state["seconds"]
