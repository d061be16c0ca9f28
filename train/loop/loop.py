"""The training loop of all stages."""

import json
import math
import time
from typing import Any

import torch
from accelerate.utils import broadcast, set_seed
from torch import Tensor

from train.data.pool import PairPool
from train.loop.best import BestWeights
from train.loop.checks import check_alive, check_finite, check_same_run, what_is_not_finite
from train.loop.learner import Learner
from train.loop.optimizer import learning_rate
from train.loop.pictures import save_preview
from train.loop.probe import IDRProbe
from train.loop.session import Session
from train.loop.training_data import pair_source
from train.loop.validation import Validation, validation_sets
from train.measuring.perceptual import perceptual_measures
from train.stages.build import build_stage
from train.stages.distillation import Batch, Stage

_SHOWN = 4  # number of samples in a preview


class Loop:
    """Trains one stage to its end, or until a stop is requested.

    Args:
        session: Data, device and log of the run.
        stage: Model and losses.
    """

    def __init__(self, session: Session, stage: Stage) -> None:
        self.session, self.stage, self.options = session, stage, session.options
        self.accelerator, self.log = session.accelerator, session.log
        self.checkpoints = session.checkpoints(stage.name)
        self.step, self.seconds = 0, 0.0
        self._rest_told = False
        self.metrics: dict[str, float] = {}
        options, device = session.options, session.accelerator.device
        degradation = options.degradation.build(options.scale)
        sets = validation_sets(options, session.data.held_out, session.data.held_out_pairs)
        measures = perceptual_measures(options.perceptual, device, options.lpips, options.dists)
        self.validation = Validation(sets, options.scale, device, measures)
        self.best = BestWeights(options.best, options.patience)
        self.learner = Learner(stage, options, session.accelerator)
        size = options.patch * options.scale
        depth = max(1, options.pool_size // options.batch)
        seed, uses = options.seed, options.pair_uses
        pairs = pair_source(options, session.data.pairs, session.crops, device)
        self.pool = PairPool(pairs, seed, uses, depth, self._target if stage.distils else None)
        self.probe = IDRProbe(session.crops, degradation, seed, size, device)

    def run(self) -> str | None:
        """Trains; returns None when the stage is finished, or the reason of an early stop."""
        self._resume()
        started, bad_in_a_row = time.monotonic() - self.seconds, 0
        self.log.start(self.stage.name, self.step, self.stage.options.steps)
        sums, since, since_time = {}, self.step, time.monotonic()
        while self.step < self.stage.options.steps and not self.best.exhausted:
            if (reason := self._stop_reason()) is not None:
                self._save()
                self._say_which()
                return reason
            losses, norm = self.learn()
            bad_in_a_row = 0 if math.isfinite(norm) else bad_in_a_row + 1
            if bad_in_a_row:
                cause = what_is_not_finite(losses)
                self.log.say(f"{self.stage.name} {self.step}: skipped, {cause}")
                check_finite(self.stage, self.step, bad_in_a_row, cause)
            for name, loss in losses.items():
                sums.setdefault(name, []).append(loss)
            self.step += 1
            self.seconds = time.monotonic() - started
            self.log.advance(self.step)
            if self._due(self.options.log_every):
                count, elapsed = self.step - since, time.monotonic() - since_time
                means = {name: float(torch.stack(found).mean()) for name, found in sums.items()}
                if "discriminator" in self.learner.parts:
                    self._tell_of_rest(means, 1 - len(sums.get("real", ())) / count)
                self._log_step(means, norm, count * self.options.batch / elapsed)
                sums, since, since_time = {}, self.step, time.monotonic()
            if self._due(self.options.validate_every):
                self._validate()
            if self._due(self.options.save_every) or self.best.exhausted:
                self._save()
            if self._due(self.options.preview_every):
                self._preview()
        self._say_which()
        return None

    def _tell_of_rest(self, means: dict[str, float], rested: float) -> None:
        """Adds the share of steps that the discriminator skipped; says once when it is all."""
        if rested > 0:
            means["rested"] = rested
        limit = self.stage.options.adaptive_d
        if rested == 1 and limit > 0 and not self._rest_told:
            self._rest_told = True
            self.log.say(
                f"{self.stage.name} {self.step}: the discriminator skipped every step since the "
                f"last line, as the student's loss stays above adaptive_d {limit:g}; it learns "
                "nothing more until that falls: raise adaptive_d or gan_weight, or lower "
                "discriminator_lr"
            )

    def learn(self) -> tuple[dict[str, Tensor], float]:
        """Makes the pairs of this step and trains on them; see `Learner.learn`."""
        return self.learner.learn(self.step, [self._batch(samples) for samples in self._samples()])

    def _samples(self) -> list[list[int]]:
        """This process's share of the step's samples, in `accumulate` parts."""
        count, rank = self.accelerator.num_processes, self.accelerator.process_index
        mine = list(range(self.options.batch))[rank::count]
        return [mine[i :: self.options.accumulate] for i in range(self.options.accumulate)]

    def _batch(self, samples: list[int]) -> Batch:
        """Makes the batch of the given samples of this step, on the training device."""
        size = self.options.patch_at(self.stage.name, self.step) * self.options.scale
        lq, gt, *more = self.pool.batch(self.step, samples, size)
        target = more.pop() if self.stage.distils else None
        if self.learner.channels_last:
            lq = lq.contiguous(memory_format=torch.channels_last)
        return Batch(lq, gt, self.step, target=target, taught=more[0] if more else None)

    def _target(self, lq: Tensor, gt: Tensor) -> Tensor:
        with self.accelerator.autocast():
            return self.stage.teacher_idr_full(lq, gt)

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.stage.options.steps

    def _log_step(self, losses: dict[str, float], norm: float, rate: float) -> None:
        self.log.numbers(
            self.step,
            {
                **losses,
                "grad_norm": norm,
                "lr": learning_rate(self.step - 1, self.stage.options),
                "nan_steps": self.learner.nan_steps,
                "samples_per_second": rate,
            },
        )

    def _validate(self) -> None:
        """Checks that the IDR is alive, and measures the averaged weights."""
        if self.accelerator.is_main_process:
            alive = self.probe.ask(self.stage, self.stage.model)
            self.metrics = self.validation.measure(self.stage, self.learner.ema.module)
            self.log.numbers(self.step, {**alive, **self.metrics})
            self.best.look(self.step, self.seconds, self.metrics, self.learner.ema.module)
            if self.step > self.stage.options.warmup:
                check_alive(alive, self.options.min_spread)
        self.accelerator.wait_for_everyone()
        self.best.waited = int(self._of_the_first(self.best.waited))

    def _say_which(self) -> None:
        """Prints which weights will be exported, if `best` selects them."""
        if self.best.kept:
            ended = f", after {self.best.waited} validations without a better one"
            self.log.say(
                f"{self.stage.name}: the best weights by {self.options.best} are those of step "
                f"{self.best.kept['step']} of {self.step}{ended if self.best.exhausted else ''}"
            )

    def _preview(self) -> None:
        if self.accelerator.is_main_process:
            lq, gt = self.probe.examples.lq[:_SHOWN], self.probe.examples.gt[:_SHOWN]
            pictures = self.stage.pictures(self.learner.ema.module, lq, gt)
            path = self.options.out / "previews" / f"{self.stage.name}-{self.step:08d}.png"
            save_preview(path, lq, gt, pictures)
        self.accelerator.wait_for_everyone()

    def _stop_reason(self) -> str | None:
        """The reason to stop, or None; all processes follow the first, as clocks may differ."""
        reason = self.session.stop()
        stopping = self._of_the_first(reason is not None)
        return (reason or "the first process stopped") if stopping else None

    def _of_the_first(self, number: float) -> float:
        """Broadcasts a number of the first process to all."""
        if self.accelerator.num_processes == 1:
            return number
        shared: Any = broadcast(torch.tensor(float(number), device=self.accelerator.device))
        return float(shared)

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self.checkpoints.save(self.step, self._state())
        self.accelerator.wait_for_everyone()

    def _state(self) -> dict[str, Any]:
        """The state for a checkpoint. Random draws need none: they are functions of the step."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "config": vars(self.stage.model.config),
            "decisive": json.dumps(self.options.decisive(self.stage.name), default=str),
            "data": self.session.data.fingerprint,
            "best": self.best.state(),
            **self.learner.state(),
        }

    def _resume(self) -> None:
        state = self.checkpoints.load(self.log.say) if self.options.resume else None
        if state is None:
            return
        where = f"the {self.stage.name} checkpoint in {self.checkpoints.folder}"
        check_same_run(state, where, self.stage, self.options, self.session.data.fingerprint)
        self.learner.load(state)
        self.best.load(state["best"])
        self.step, self.seconds, self.metrics = state["step"], state["seconds"], state["metrics"]


def make_loop(session: Session, stage: str) -> Loop:
    """Makes the loop of a stage with its starting weights; `run` then loads a checkpoint."""
    set_seed(session.options.seed)
    resuming = session.options.resume and bool(session.checkpoints(stage).manifests())
    say = (lambda _: None) if resuming else session.log.say
    return Loop(session, build_stage(stage, session.options, say))
