"""The training loop: one for all stages."""

import contextlib
import json
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from train.data.crops import CropSampler
from train.data.pool import PairPool
from train.degradation.pipelines import Degradation
from train.loop.checkpoints import Checkpoints
from train.loop.checks import check_alive, check_finite, check_same_run
from train.loop.log import RunLog
from train.loop.optimizer import Part, build_optimizer, learning_rate, load_moments, set_rate
from train.loop.preview import save_preview
from train.loop.probe import IDRProbe
from train.loop.validation import Validation
from train.recipes.options import TrainOptions
from train.stages.distillation import Batch, Forward, Stage

_SHOWN = 4  # samples in a preview


class Loop:
    """Trains one stage to its end, or until it is asked to stop.

    Args:
        options: Of the run.
        stage: What is trained, and on which losses.
        crops: Source of GT patches.
        degradation: Makes LQ patches of them.
        validation: Measures the averaged weights.
        accelerator: Device, precision and processes.
        checkpoints: Where the state is kept.
        log: Where numbers go.
        stop: Says why to stop now, or None; asked before each step.
        data_fingerprint: Of the training images.
    """

    def __init__(
        self,
        options: TrainOptions,
        stage: Stage,
        crops: CropSampler,
        degradation: Degradation,
        validation: Validation,
        accelerator: Accelerator,
        checkpoints: Checkpoints,
        log: RunLog,
        stop: Callable[[], str | None] = lambda: None,
        data_fingerprint: str = "",
    ) -> None:
        self.options, self.stage = options, stage
        self.stage_options = options.for_stage(stage.name)
        self.validation, self.accelerator, self.checkpoints = validation, accelerator, checkpoints
        self.log, self.stop, self.data_fingerprint = log, stop, data_fingerprint
        self.step, self.nan_steps, self.seconds = 0, 0, 0.0
        self.metrics: dict[str, float] = {}
        device = accelerator.device
        stage.to(device)
        self.channels_last = (
            device.type == "cuda" if options.channels_last is None else options.channels_last
        )
        self.parts: dict[str, Part] = {}
        self.forward: dict[str, Forward] = {}
        # Copied before `prepare`, which wraps the forward method of the model that is trained.
        self.ema = AveragedModel(stage.model, multi_avg_fn=get_ema_multi_avg_fn(options.ema))
        self.ema.requires_grad_(False)
        for name, module in stage.parts().items():
            if self.channels_last:
                module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            self.parts[name] = Part(module, build_optimizer(module, self.stage_options, device))
            self.forward[name] = accelerator.prepare(
                torch.compile(module) if options.compile else module
            )
        size = options.patch * options.scale
        depth = max(1, options.pool_size // options.batch)
        self.pool = PairPool(crops, degradation, options.seed, device, options.pair_uses, depth)
        self.probe = IDRProbe(crops, degradation, options.seed, size, device)

    def run(self) -> str | None:
        """Trains; returns None when the stage is finished, otherwise why it stopped early."""
        self._resume()
        started, bad_in_a_row = time.monotonic() - self.seconds, 0
        self.log.start(self.stage.name, self.step, self.stage_options.steps)
        sums, since, since_time = {}, self.step, time.monotonic()
        while self.step < self.stage_options.steps:
            if (reason := self._stop_reason()) is not None:
                self._save()
                return reason
            losses, norm = self._optimise()
            bad_in_a_row = 0 if math.isfinite(norm) else bad_in_a_row + 1
            check_finite(self.stage, self.step, bad_in_a_row)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss
            self.step += 1
            self.seconds = time.monotonic() - started
            self.log.advance(self.step)
            if self._due(self.options.log_every):
                count, elapsed = self.step - since, time.monotonic() - since_time
                means = {name: float(total) / count for name, total in sums.items()}
                self._log_step(means, norm, count * self.options.batch / elapsed)
                sums, since, since_time = {}, self.step, time.monotonic()
            if self._due(self.options.validate_every):
                self._validate()
            if self._due(self.options.save_every):
                self._save()
            if self._due(self.options.preview_every):
                self._preview()
        return None

    def _optimise(self) -> tuple[dict[str, Tensor], float]:
        """One step of every part.

        Returns:
            Losses, averaged over processes and samples, on the device; and the largest gradient
            norm (infinite or NaN: the step was skipped).
        """
        batches = [self._batch(samples) for samples in self._samples()]
        everything: dict[str, Tensor] = {}
        largest = 0.0
        for name, part in self.parts.items():
            losses, norm = self._optimise_part(name, part, batches)
            everything |= losses
            if not math.isfinite(norm):
                self.nan_steps += 1
                return everything, norm
            largest = max(largest, norm)
        self.ema.update_parameters(self.stage.model)
        return everything, largest

    def _optimise_part(
        self, name: str, part: Part, batches: list[Batch]
    ) -> tuple[dict[str, Tensor], float]:
        part.module.train()
        for other in self.parts.values():
            other.module.requires_grad_(other is part)
        set_rate(part.optimizer, self.step, self.stage_options)
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
        parameters = part.module.parameters()
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.options.clip))
        if math.isfinite(norm):
            part.optimizer.step()
        if self.accelerator.num_processes > 1:
            sums = {key: self._mean_of_processes(value) for key, value in sums.items()}
        return sums, norm

    def _mean_of_processes(self, value: Tensor) -> Tensor:
        return self.accelerator.reduce(value, "mean")  # pyright: ignore[reportReturnType]

    def _samples(self) -> list[list[int]]:
        """This process' share of the step's samples, in `accumulate` parts."""
        count, rank = self.accelerator.num_processes, self.accelerator.process_index
        mine = list(range(self.options.batch))[rank::count]
        return [mine[i :: self.options.accumulate] for i in range(self.options.accumulate)]

    def _batch(self, samples: list[int]) -> Batch:
        """LQ and GT patches of the given samples of this step, on the training device."""
        size = self.options.patch_at(self.stage.name, self.step) * self.options.scale
        lq, gt = self.pool.batch(self.step, samples, size)
        if self.channels_last:
            lq = lq.contiguous(memory_format=torch.channels_last)
        return Batch(lq, gt, self.step)

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.stage_options.steps

    def _log_step(self, losses: dict[str, float], norm: float, rate: float) -> None:
        self.log.numbers(
            self.step,
            {
                **losses,
                "grad_norm": norm,
                "lr": learning_rate(self.step - 1, self.stage_options),
                "nan_steps": self.nan_steps,
                "samples_per_second": rate,
            },
        )

    def _validate(self) -> None:
        """Asks whether the IDR is alive and measures the averaged weights."""
        if self.accelerator.is_main_process:
            alive = self.probe.ask(self.stage, self.stage.model)
            self.metrics = self.validation.measure(self.stage, self.ema.module)
            self.log.numbers(self.step, {**alive, **self.metrics})
            if self.step > self.stage_options.warmup:
                check_alive(alive, self.options.min_spread)
        self.accelerator.wait_for_everyone()

    def _preview(self) -> None:
        if self.accelerator.is_main_process:
            lq, gt = self.probe.examples.lq[:_SHOWN], self.probe.examples.gt[:_SHOWN]
            pictures = self.stage.pictures(self.ema.module, lq, gt)
            path = self.options.out / "previews" / f"{self.stage.name}-{self.step:08d}.png"
            save_preview(path, lq, gt, pictures)
        self.accelerator.wait_for_everyone()

    def _stop_reason(self) -> str | None:
        """Why to stop; all processes follow the first one, as their clocks may differ."""
        reason = self.stop()
        if self.accelerator.num_processes == 1:
            return reason
        wanted = broadcast(torch.tensor(float(reason is not None), device=self.accelerator.device))
        return (reason or "the first process stopped") if float(wanted) else None

    def _state(self) -> dict[str, Any]:
        """All that a resumed run needs. Random draws are functions of the step."""
        main = self.parts["model"]
        return {
            "step": self.step,
            "nan_steps": self.nan_steps,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "config": vars(self.stage.model.config),
            "decisive": json.dumps(self.options.decisive(self.stage.name), default=str),
            "data": self.data_fingerprint,
            "model": main.module.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": main.optimizer.state_dict(),
            "parts": {
                name: {"module": p.module.state_dict(), "optimizer": p.optimizer.state_dict()}
                for name, p in self.parts.items()
                if name != "model"
            },
        }

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self.checkpoints.save(self.step, self._state())
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        state = self.checkpoints.load() if self.options.resume else None
        if state is None:
            return
        where = f"the {self.stage.name} checkpoint in {self.checkpoints.folder}"
        check_same_run(state, where, self.stage, self.options, self.data_fingerprint)
        main = self.parts["model"]
        main.module.load_state_dict(state["model"])
        load_moments(main.optimizer, state["optimizer"])
        self.ema.load_state_dict(state["ema"])
        for name, saved in state.get("parts", {}).items():
            self.parts[name].module.load_state_dict(saved["module"])
            load_moments(self.parts[name].optimizer, saved["optimizer"])
        self.step, self.nan_steps = state["step"], state["nan_steps"]
        self.seconds, self.metrics = state["seconds"], state.get("metrics", {})
