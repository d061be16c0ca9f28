"""A step: its gradients, what it skips, and the average of the weights."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kdsr import KDSR
from kdsr.files.weights import save_checkpoint
from tests.support.train_runs import log_lines, loop_of, tiny_recipe
from train.errors import TrainingError
from train.loop.checks import NAN_LIMIT, what_is_not_finite
from train.loop.learner import averaged
from train.loop.loop import Loop
from train.recipes.reading import read_options
from train.stages.distillation import Batch, Forward, TeacherStage
from train.stages.gan import GANStage


def test_accumulated_parts_give_the_same_step(tmp_path: Path) -> None:
    states = []
    for accumulate in (1, 2):
        torch.manual_seed(0)
        loop = loop_of(tmp_path, accumulate=accumulate)
        for _ in range(2):
            loop.learn()
            loop.step += 1
        states.append(loop.stage.model.state_dict())
    for key, value in states[0].items():
        assert torch.allclose(value, states[1][key], rtol=1e-4, atol=1e-6), key


@pytest.mark.parametrize("asked", [None, True])
def test_channels_come_last_where_that_is_asked_for(tmp_path: Path, asked: bool | None) -> None:
    loop = loop_of(tmp_path, channels_last=asked)
    loop.learn()
    weight = loop.stage.model.network.fuse.weight
    assert loop.learner.channels_last == bool(asked)
    assert weight.is_contiguous(memory_format=torch.channels_last) == bool(asked)


def adversarial_loop(folder: Path, **changes: object) -> Loop:
    start = folder / "start.safetensors"
    save_checkpoint(KDSR(read_options([tiny_recipe(folder)]).network()), start)
    gan = {"steps": 4, "kd_weight": 0.0, "gan_weight": 1.0, "perceptual_weight": 0.0}
    return loop_of(folder, "gan", gan=gan | changes, stages=["gan"], init=str(start))


def test_a_checkpoint_holds_the_model_and_apart_from_it_the_other_parts(tmp_path: Path) -> None:
    loop = adversarial_loop(tmp_path)
    state = loop.learner.state()
    assert state["parts"].keys() == {"discriminator"}
    assert state["model"].keys() == KDSR(loop.options.network()).state_dict().keys()


@pytest.mark.parametrize(("limit", "rested"), [(1e-3, 1.0), (100.0, None)])
def test_a_discriminator_that_always_rests_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: float, rested: float | None
) -> None:
    loop = adversarial_loop(tmp_path, adaptive_d=limit, warmup=0)
    loop.run()
    steps = [line for line in log_lines(loop.options.out) if "samples_per_second" in line]
    assert [line.get("rested") for line in steps] == [rested] * 4
    assert capsys.readouterr().out.count("the discriminator skipped every step") == (rested == 1)


class Poisoned(TeacherStage):
    """A teacher whose loss is NaN at some steps."""

    bad_steps: range

    def losses(self, part: str, forward: dict, batch: Batch) -> dict[str, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        losses = super().losses(part, forward, batch)
        factor = math.nan if batch.step in self.bad_steps else 1.0
        return {name: loss * factor for name, loss in losses.items()}


@pytest.mark.parametrize("bad", [NAN_LIMIT - 1, NAN_LIMIT])
def test_nan_steps_are_skipped_and_counted_and_ten_in_a_row_end_the_run(
    tmp_path: Path, bad: int
) -> None:
    loop = loop_of(tmp_path, teacher={"steps": 16, "warmup": 0})
    loop.stage.__class__ = Poisoned
    loop.stage.bad_steps = range(2, 2 + bad)  # pyright: ignore[reportAttributeAccessIssue]
    if bad < NAN_LIMIT:
        assert loop.run() is None
        assert loop.learner.nan_steps == bad
    else:
        with pytest.raises(
            TrainingError, match=r"10 steps in a row .*l1 is NaN\); lower --teacher\.lr"
        ):
            loop.run()
    assert all(parameter.isfinite().all() for parameter in loop.stage.model.parameters())


class PoisonedJudge(GANStage):
    """An adversarial stage whose discriminator's loss is NaN."""

    def _judge(self, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        return {name: loss * math.nan for name, loss in super()._judge(forward, batch).items()}


def test_a_discriminator_without_a_finite_gradient_skips_the_step_of_the_model_too(
    tmp_path: Path,
) -> None:
    loop = adversarial_loop(tmp_path)
    weights = list(loop.stage.model.parameters())
    before = [weight.clone() for weight in weights]
    for kind, steps in ((PoisonedJudge, 0), (GANStage, 1)):
        loop.stage.__class__ = kind
        _, norm = loop.learn()
        assert math.isfinite(norm) is bool(steps)
        assert any(not torch.equal(*pair) for pair in zip(before, weights, strict=True)) is bool(
            steps
        )
        assert (loop.learner.ema.n_averaged, loop.learner.nan_steps) == (steps, 1)


def test_the_estimator_has_its_share_of_the_learning_rate(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, teacher={"steps": 6, "warmup": 0, "lr": 1e-2, "estimator_lr": 0.01})
    before = {k: v.clone() for k, v in loop.stage.model.state_dict().items()}
    loop.learn()
    moved = {
        k: (v - before[k]).abs().max().item() for k, v in loop.stage.model.state_dict().items()
    }
    assert moved["network.fuse.weight"] == pytest.approx(1e-2, rel=0.02)
    assert moved["estimator.head.weight"] == pytest.approx(1e-4, rel=0.02)


def test_a_frozen_estimator_stays_what_it_was_to_the_bit(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, teacher={"steps": 3, "warmup": 0, "lr": 1e-2, "estimator_lr": 0})
    before = {k: v.clone() for k, v in loop.stage.model.state_dict().items()}
    loop.learn()
    assert all(p.grad is None for p in loop.stage.model.estimator.parameters()), "costs nothing"
    for state in (loop.stage.model.state_dict(), loop.learner.ema.module.state_dict()):
        assert all(torch.equal(state[k], v) for k, v in before.items() if "estimator" in k)
    assert not torch.equal(
        loop.stage.model.state_dict()["network.fuse.weight"], before["network.fuse.weight"]
    )


def test_the_losses_that_are_not_finite_are_named() -> None:
    losses = {name: torch.tensor(value) for name, value in (("l1", 0.1), ("kd", math.nan))}
    assert what_is_not_finite(losses) == "kd is NaN"
    losses["gan"] = torch.tensor(math.inf)
    assert what_is_not_finite(losses) == "kd is NaN and gan is infinite"
    assert what_is_not_finite({"l1": torch.tensor(0.1)}).startswith("the gradient overflowed")


def followed(decay: float, steps: int) -> float:
    """The average after a start at 1 and `steps` at 0, the first of which is copied."""
    model = nn.Linear(1, 1, bias=False)
    ema = averaged(model, decay)
    for value in [1.0, *[0.0] * steps]:
        with torch.no_grad():
            model.weight.fill_(value)
        ema.update_parameters(model)
    return ema.module.get_parameter("weight").item()


def test_a_short_training_forgets_where_it_started() -> None:
    assert followed(0.999, 200) < 1e-3 < 0.8 < 0.999**200


def test_later_the_decay_is_what_was_asked_for() -> None:
    assert followed(0.5, 10) / followed(0.5, 9) == pytest.approx(0.5)
    assert followed(0.5, 1) == pytest.approx(2 / 11)


def test_without_decay_it_is_the_weights_themselves() -> None:
    assert followed(0.0, 1) == 0.0
