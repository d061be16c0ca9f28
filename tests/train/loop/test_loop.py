import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from kdsr.files.weights import save_checkpoint
from tests.support.places import ROOT
from tests.support.train_runs import log_lines, loop_of, same_tensors, tiny_recipe
from train.errors import TrainingError
from train.losses.terms import l1_loss
from train.recipes.reading import read_options
from train.recipes.stages import StageOptions
from train.stages.build import build_stage, wake
from train.stages.distillation import Batch, StudentStage, TeacherStage, copy_fitting

CONFIG = KDSRConfig(2, 4, 2, 1)


@pytest.mark.skipif(os.name == "nt", reason="goes by age there")
def test_opening_a_run_sweeps_what_killed_sessions_left_anywhere_in_it(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from kdsr.atomic import writing\n"
    script += "run, beside = map(Path, sys.argv[1:])\n"
    script += "with writing(run), writing(beside): os.kill(os.getpid(), 9)"
    run = tmp_path / "run"
    places = [str(run / "previews" / "1.png"), str(tmp_path / "beside.txt")]
    subprocess.run([sys.executable, "-c", script, *places], check=False, cwd=ROOT)
    assert len(list(tmp_path.rglob("*.part"))) == 2
    loop_of(tmp_path)
    assert not list(run.rglob("*.part"))
    assert len(list(tmp_path.glob("*.part"))) == 1, "what is not the run's stays"


def batch(scale: int = 2, count: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    gt = torch.rand(count, 3, 8 * scale, 8 * scale, generator=generator)
    return Batch(torch.nn.functional.avg_pool2d(gt, scale), gt, step=0)


def test_a_student_starts_from_every_teacher_tensor_that_fits() -> None:
    teacher, student = KDSRTeacher(CONFIG), KDSR(CONFIG)
    copied, left = copy_fitting(teacher, student)
    assert left == ["estimator.head.weight"]
    assert len(copied) + 1 == len(student.state_dict())
    for key in copied:
        assert torch.equal(student.state_dict()[key], teacher.state_dict()[key])


def test_the_teacher_gets_no_gradient() -> None:
    teacher = KDSRTeacher(CONFIG)
    stage = StudentStage("student", KDSR(CONFIG), StageOptions(kd_weight=1.0), teacher=teacher)
    images = batch()
    images.target = stage.teacher_idr_full(images.lq, images.gt)
    losses = stage.losses("model", {"model": stage.model}, images)
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in stage.model.parameters())


def test_the_distillation_loss_alone_trains_the_estimator_alone() -> None:
    options = StageOptions(kd_weight=1.0, kd_only=5)
    stage = StudentStage("student", KDSR(CONFIG), options, False, KDSRTeacher(CONFIG))
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
    for step in range(60):
        given = (images.lq, images.gt) if stage == "teacher" else (images.lq,)
        loss = l1_loss(model(*given, compose_tail=True)[0], images.gt)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = (loss.item() if step == 0 else first), loss.item()
    assert last < 0.5 * first


def test_every_pixel_up_to_the_border_counts() -> None:
    stage = TeacherStage("teacher", KDSRTeacher(CONFIG), StageOptions())
    images = batch()
    images.gt.requires_grad_()
    sr = stage.upscale(stage.model, images.lq, images.gt.detach())
    l1_loss(sr.detach(), images.gt).backward()
    assert images.gt.grad is not None
    assert (images.gt.grad != 0).all()


def test_composing_the_tail_changes_neither_loss_nor_gradients() -> None:
    torch.manual_seed(0)
    images, gradients, losses = batch(), [], []
    teacher = TeacherStage("teacher", KDSRTeacher(CONFIG), StageOptions())
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
    assert same_tensors(*states)


def test_a_dead_idr_fails_loudly(tmp_path: Path) -> None:
    still = {"steps": 6, "warmup": 0, "lr": 0.0, "final_lr": 0.0}
    loop = loop_of(tmp_path, min_spread=1e-3, ema=0.0, teacher=still)
    with torch.no_grad():
        loop.stage.model.estimator.mlp[1].get_parameter("weight").zero_()
        loop.stage.model.estimator.mlp[1].get_parameter("bias").fill_(0.04)
    with pytest.raises(TrainingError, match=r"the IDR is dead: .*idr_full varies by"):
        loop.run()


def test_a_living_idr_is_probed_and_logged(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, min_spread=1e-4)
    assert loop.run() is None
    lines = log_lines(tmp_path / "run")
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


def test_building_a_student_without_a_teacher_says_what_to_do(tmp_path: Path) -> None:
    options = read_options([tiny_recipe(tmp_path)])
    with pytest.raises(TrainingError, match=r"expected a trained teacher at .*--stage teacher"):
        build_stage("student", options, print)


def test_a_control_from_nothing_needs_no_teacher(tmp_path: Path) -> None:
    said = []
    options = read_options([tiny_recipe(tmp_path), "--from_teacher", "false"])
    stage = build_stage("control", options, said.append)
    assert stage.teacher is None
    assert said == ["control starts with random weights"]


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
