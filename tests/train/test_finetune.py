"""Going on from a finished model, towards images of one's own."""

import json
from pathlib import Path

import pytest
import torch

import kdsr
from kdsr import KDSR, KDSRConfig, KDSRTeacher
from kdsr.files.weights import save_checkpoint
from tests.support.pairs import make_pairs
from tests.support.places import ROOT
from tests.support.train_runs import tiny_recipe
from train.errors import TrainingError
from train.publish import Upload
from train.recipes.reading import read_options
from train.run import main
from train.stages.build import build_stage

BUNDLED = ROOT / "kdsr" / "weights" / "kdsr-s-x4.safetensors"


def saved_student(folder: Path) -> Path:
    """A student of the tiny recipe's size."""
    torch.manual_seed(0)
    path = folder / "first.safetensors"
    save_checkpoint(KDSR(KDSRConfig(4, 4, 2, 1)), path)
    return path


def test_a_made_teacher_does_what_the_student_does_and_can_learn_to_look_at_the_gt(
    tmp_path: Path,
) -> None:
    path = saved_student(tmp_path)
    options = read_options([tiny_recipe(tmp_path), "--init", str(path)])
    said: list[str] = []
    teacher, student = build_stage("teacher", options, said.append).model, kdsr.load(path)
    assert isinstance(teacher, KDSRTeacher)
    assert "ignores the ground truth at first" in said[0]
    lq, gt = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        for ours, theirs in zip(teacher(lq, gt), student(lq), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)
    (teacher(lq, gt)[0] - gt).abs().mean().backward()
    gradient = teacher.estimator.head.weight.grad
    assert gradient is not None
    assert (gradient[:, 3:].flatten(1).abs().amax(1) > 0).any()


def test_finetune_needs_no_teacher_and_its_model_is_one_like_any_other(tmp_path: Path) -> None:
    gt, lq = make_pairs(tmp_path, side=128)
    run = tmp_path / "run"
    assert main(
        ["finetune", "--data", str(gt), "--lq", str(lq), "--out", str(run), "--hold_out", "1",
         "--cache", str(tmp_path / "cache"), "--batch", "2", "--patch", "8", "--student.steps", "2",
         "--device", "cpu", "--precision", "fp32", "--threads", "1", "--validate_every", "1",
         "--validate_on", "[pairs]", "--calibration", "0", "--preview_every", "9"]
    ) == 0  # fmt: skip
    path = run / "kdsr-s-x4-finetuned.safetensors"
    model, bundled = kdsr.load(path), kdsr.load("kdsr-s-x4")
    moved = [
        (a - b).abs().max().item()
        for a, b in zip(model.parameters(), bundled.parameters(), strict=True)
    ]
    assert 0 < max(moved) < 0.01, "two small steps from where it began"
    assert not (run / "teacher.safetensors").exists()
    upload = Upload.prepare(path, "owner/repo", [ROOT / "samples" / "example.png"])
    card = upload.files["README.md"].decode()
    assert "general degradations and those of 2 pairs" in card
    assert "the best by psnr_y of 2 steps" in card
    assert json.loads(model.metadata["metrics"])["psnr_y_pairs"] > 0


def test_with_a_teacher_both_start_from_the_model_and_one_distils_from_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tmp_path, init=str(saved_student(tmp_path)))
    still = ["--teacher.lr", "1e-6", "--teacher.final_lr", "1e-6"]
    assert main([recipe, *still]) == 0
    shown = capsys.readouterr().out
    assert "teacher starts as " in shown
    assert "student starts with 36 tensors of " in shown
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in log]
    kd = [line["kd"] for line in lines if "kd" in line]
    assert len(kd) == 6
    assert 0 < kd[0] < 1e-3, "they are still nearly the same"


def test_a_model_of_another_size_or_none_is_refused(tmp_path: Path) -> None:
    options = read_options([tiny_recipe(tmp_path), "--init", "kdsr-s-x4"])
    with pytest.raises(TrainingError, match=r"tensors of .*kdsr-s-x4.*the same or a smaller size"):
        build_stage("control", options, print)
    options = read_options([tiny_recipe(tmp_path), "--init", "gone.safetensors"])
    with pytest.raises(TrainingError, match=r"start from \(--init\) at gone\.safetensors"):
        build_stage("control", options, print)


def test_the_bundled_model_is_found_by_its_name() -> None:
    options = read_options(["finetune", "--data", "photos"])
    said: list[str] = []
    build_stage("student", options, said.append)
    assert said == [f"student starts with 104 tensors of {BUNDLED}"]
