import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from kdsr.files.weights import save_checkpoint
from tests.support.places import ROOT
from tests.support.train_runs import one_thread, tiny_recipe  # noqa: F401 - a fixture
from train.errors import TrainingError
from train.loop.checks import NAN_LIMIT, what_is_not_finite
from train.loop.loop import Loop, make_loop
from train.loop.optimizer import build_optimizer, learning_rate, set_rate
from train.loop.session import open_session
from train.losses.discriminator import UNetDiscriminator
from train.losses.terms import l1_loss
from train.recipes.reading import read_options
from train.recipes.stages import StageOptions
from train.stages.build import build_stage, wake
from train.stages.distillation import Batch, Forward, StudentStage, TeacherStage, copy_fitting
from train.stages.gan import GANStage

CONFIG = KDSRConfig(2, 4, 2, 1)


def loop_of(folder: Path, stage: str = "teacher", **changes: object) -> Loop:
    options = read_options([tiny_recipe(folder, **changes)])
    return make_loop(open_session(options, Accelerator(cpu=True)), stage)


@pytest.mark.skipif(os.name == "nt", reason="goes by age there")
def test_opening_a_run_sweeps_what_killed_sessions_left_anywhere_in_it(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from kdsr.atomic import writing\n"
    script += "with writing(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    run = tmp_path / "run"
    for place in (run / "previews" / "1.png", tmp_path / "beside.txt"):
        subprocess.run([sys.executable, "-c", script, str(place)], check=False, cwd=ROOT)
    assert len(list(tmp_path.rglob("*.part"))) == 2
    loop_of(tmp_path)
    assert not list(run.rglob("*.part"))
    assert len(list(tmp_path.glob("*.part"))) == 1, "what is not the run's stays"


def batch(scale: int = 2, count: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    gt = torch.rand(count, 3, 8 * scale, 8 * scale, generator=generator)
    return Batch(torch.nn.functional.avg_pool2d(gt, scale), gt, step=0)


def test_the_learning_rate_warms_up_and_falls_to_its_end() -> None:
    options = StageOptions(steps=110, lr=1.0, final_lr=0.1, warmup=10)
    rates = [learning_rate(step, options) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)
    assert all(b <= a for a, b in itertools.pairwise(rates[10:]))


def test_a_student_starts_from_every_teacher_tensor_that_fits() -> None:
    teacher, student = KDSRTeacher(CONFIG), KDSR(CONFIG)
    copied, left = copy_fitting(teacher, student)
    assert left == ["estimator.head.weight"]
    assert len(copied) + 1 == len(student.state_dict())
    for key in copied:
        assert torch.equal(student.state_dict()[key], teacher.state_dict()[key])


def test_the_teacher_gets_no_gradient() -> None:
    teacher = KDSRTeacher(CONFIG)
    stage = StudentStage(CONFIG, StageOptions(kd_weight=1.0), composed=True, teacher=teacher)
    images = batch()
    images.target = stage.teacher_idr_full(images.lq, images.gt)
    losses = stage.losses("model", {"model": stage.model}, images)
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in stage.model.parameters())


def test_the_distillation_loss_alone_trains_the_estimator_alone() -> None:
    options = StageOptions(kd_weight=1.0, kd_only=5)
    stage = StudentStage(CONFIG, options, composed=False, teacher=KDSRTeacher(CONFIG))
    images = batch()
    images.target = stage.teacher_idr_full(images.lq, images.gt)
    losses = stage.losses("model", {"model": stage.model}, images)
    torch.stack(list(losses.values())).sum().backward()
    moved = {
        name.split(".")[0]
        for name, parameter in stage.model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }
    assert moved == {"estimator"}


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_a_network_overfits_one_batch(stage: str) -> None:
    torch.manual_seed(0)
    config = KDSRConfig(2, 16, 3, 1)
    images = batch(count=2)
    model = KDSRTeacher(config) if stage == "teacher" else KDSR(config)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    first = last = math.nan
    for step in range(150):
        given = (images.lq, images.gt) if stage == "teacher" else (images.lq,)
        loss = l1_loss(model(*given, compose_tail=True)[0], images.gt)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = (loss.item() if step == 0 else first), loss.item()
    assert last < 0.5 * first


def test_every_pixel_up_to_the_border_counts() -> None:
    stage = TeacherStage(CONFIG, StageOptions(), composed=True)
    images = batch()
    images.gt.requires_grad_()
    sr = stage.upscale(stage.model, images.lq, images.gt.detach())
    l1_loss(sr.detach(), images.gt).backward()
    assert images.gt.grad is not None
    assert (images.gt.grad != 0).all()


def test_composing_the_tail_changes_neither_loss_nor_gradients() -> None:
    torch.manual_seed(0)
    images, gradients, losses = batch(), [], []
    teacher = TeacherStage(CONFIG, StageOptions(), composed=False)
    for composed in (False, True):
        teacher.composed = composed
        teacher.model.zero_grad()
        loss = teacher.losses("model", {"model": teacher.model}, images)["l1"]
        loss.backward()
        losses.append(loss.item())
        gradients.append([p.grad.clone() for p in teacher.model.parameters() if p.grad is not None])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for plain, composed in zip(*gradients, strict=True):
        assert torch.allclose(plain, composed, rtol=1e-3, atol=1e-6)


def test_a_waking_estimator_is_blind_to_flat_colour_and_sees_lq_detail() -> None:
    model = KDSRTeacher(KDSRConfig(4, 8, 2, 1))
    wake(model.estimator)
    flat = torch.ones(1, 51, 9, 9)
    inner = model.estimator.head(flat)[:, :, 1:-1, 1:-1]
    assert inner.abs().max() < 1e-4
    weight = model.estimator.head.weight
    lq, gt = weight[:, :3].square().sum(), weight[:, 3:].square().sum()
    assert 0.5 < (lq / gt).item() < 2


def test_a_woken_teacher_tells_degradations_apart_from_the_start(tmp_path: Path) -> None:
    spreads = {}
    for name in ("plain", "woken"):
        loop = loop_of(tmp_path, degradation={"kind": "classic"}, n_feats=16, patch=24)
        if name == "plain":
            torch.manual_seed(0)
            loop.stage.model.load_state_dict(KDSRTeacher(loop.stage.model.config).state_dict())
        asked = loop.probe.ask(loop.stage, loop.stage.model)
        spreads[name] = asked["idr_spread_degradations"] / asked["idr_level"]
    assert spreads["woken"] > 4 * spreads["plain"]


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


def adversarial_loop(folder: Path) -> Loop:
    start = folder / "start.safetensors"
    save_checkpoint(KDSR(read_options([tiny_recipe(folder)]).network()), start)
    gan = {"steps": 4, "kd_weight": 0.0, "gan_weight": 1.0, "perceptual_weight": 0.0}
    return loop_of(folder, "gan", gan=gan, stages=["gan"], init=str(start))


def test_a_checkpoint_holds_the_model_and_apart_from_it_the_other_parts(tmp_path: Path) -> None:
    loop = adversarial_loop(tmp_path)
    state = loop.learner.state()
    assert state["parts"].keys() == {"discriminator"}
    assert state["model"].keys() == KDSR(loop.options.network()).state_dict().keys()


def test_a_student_resumed_amid_reused_pairs_learns_the_same_bits(tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.safetensors"
    changes = {
        "pair_uses": 3, "pool_size": 16, "teacher_checkpoint": str(teacher),
        "student": {"steps": 11, "warmup": 2, "kd_weight": 0.5},
    }  # fmt: skip
    states = []
    for stops in ((), (4, 7)):
        folder = tmp_path / str(len(stops))
        folder.mkdir()
        options = read_options([tiny_recipe(folder, **changes)])
        if not teacher.exists():
            torch.manual_seed(0)
            save_checkpoint(KDSRTeacher(options.network()), teacher)
        for stop in stops:
            part = loop_of(folder, "student", **changes)
            part._resume()
            while part.step < stop:
                part.learn()
                part.step += 1
            part._save()
        last = loop_of(folder, "student", **changes)
        assert last.run() is None
        states.append(last.stage.model.state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


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


def test_a_dead_idr_fails_loudly(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, min_spread=1e-3)
    with torch.no_grad():
        loop.stage.model.estimator.mlp[1].get_parameter("weight").zero_()
        loop.stage.model.estimator.mlp[1].get_parameter("bias").fill_(0.04)
    loop.learner.parts["model"].module.estimator.requires_grad_(False)
    with pytest.raises(TrainingError, match=r"the IDR is dead: .*idr_full varies by"):
        loop.run()


def test_a_living_idr_is_probed_and_logged(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, min_spread=1e-4)
    assert loop.run() is None
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    probed = [line for line in lines if "idr_level" in line]
    assert probed
    assert probed[-1]["idr_spread_degradations"] > 0


def test_validation_measures_the_averaged_weights(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, hold_out=2, ema=0.9, teacher={"steps": 6, "warmup": 0, "lr": 1e-2})
    assert loop.run() is None
    averaged = loop.validation.measure(loop.stage, loop.learner.ema.module)
    raw = loop.validation.measure(loop.stage, loop.stage.model)
    assert loop.metrics == averaged
    assert abs(averaged["l1_held_out"] - raw["l1_held_out"]) > 1e-4


def test_the_estimator_has_its_share_of_the_learning_rate(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, teacher={"steps": 6, "warmup": 0, "lr": 1e-2, "estimator_lr": 0.01})
    before = {k: v.clone() for k, v in loop.stage.model.state_dict().items()}
    loop.learn()
    moved = {
        k: (v - before[k]).abs().max().item() for k, v in loop.stage.model.state_dict().items()
    }
    assert moved["network.fuse.weight"] == pytest.approx(1e-2, rel=0.02)
    assert moved["estimator.head.weight"] == pytest.approx(1e-4, rel=0.02)


def test_a_discriminator_has_its_share_of_the_learning_rate() -> None:
    options = StageOptions(warmup=0, lr=1e-2, discriminator_lr=3.0)
    for module, share in ((UNetDiscriminator(4), 3.0), (KDSR(KDSRConfig(4, 8, 1, 1)), 1.0)):
        optimizer = build_optimizer(module, options, torch.device("cpu"))
        set_rate(optimizer, 0, options)
        assert optimizer.param_groups[-1]["lr"] == pytest.approx(share * 1e-2)


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


def test_building_a_student_without_a_teacher_says_what_to_do(tmp_path: Path) -> None:
    options = read_options([tiny_recipe(tmp_path)])
    with pytest.raises(TrainingError, match=r"expected a trained teacher at .*--stage teacher"):
        build_stage("student", options, print)


def test_a_control_from_nothing_needs_no_teacher(tmp_path: Path) -> None:
    said = []
    options = read_options([tiny_recipe(tmp_path), "--from_teacher", "false"])
    stage = build_stage("control", options, said.append)
    assert stage.teacher is None
    assert said == ["control starts from nothing"]


def test_a_student_from_nothing_still_has_a_teacher_to_learn_from(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    options = read_options(
        [tiny_recipe(tmp_path), "--from_teacher", "false", "--teacher_checkpoint", str(path)]
    )
    with pytest.raises(TrainingError, match="expected a trained teacher"):
        build_stage("student", options, print)
    teacher = KDSRTeacher(options.network())
    save_checkpoint(teacher, path)
    stage = build_stage("student", options, print)
    assert stage.teacher is not None
    assert not torch.equal(stage.model.network.fuse.weight, teacher.network.fuse.weight)


def test_the_losses_that_are_not_finite_are_named() -> None:
    losses = {name: torch.tensor(value) for name, value in (("l1", 0.1), ("kd", math.nan))}
    assert what_is_not_finite(losses) == "kd is NaN"
    losses["gan"] = torch.tensor(math.inf)
    assert what_is_not_finite(losses) == "kd is NaN and gan is infinite"
    assert what_is_not_finite({"l1": torch.tensor(0.1)}).startswith("the gradient overflowed")
