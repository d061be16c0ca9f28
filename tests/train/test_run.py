"""The command as people run it, in processes of its own where they are killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image

import kdsr
from kdsr.files.weights import read_tensors
from tests.support.limits import full_disk
from tests.support.places import ROOT
from tests.support.train_runs import (
    PHOTOS,
    log_lines,
    refused,
    same_tensors,
    tiny_recipe,
)
from train.degradation.pipelines import MixedDegradation
from train.loop.checkpoints import Checkpoints
from train.measuring import fitting, labelled
from train.measuring.calibration import trained_on
from train.publish import main as publish
from train.run import main


def start(recipe: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "train" / "run.py"), recipe, *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Waits for the end of a process; returns what it printed."""
    return process.communicate(timeout=200)[0]


def wait_for_step(process: subprocess.Popen[str], log: Path, stage: str, step: int) -> None:
    """Until the run's log shows a step of a stage."""
    deadline = time.monotonic() + 200
    wanted = f'"stage": "{stage}", "step": {step},'
    while time.monotonic() < deadline:
        if log.is_file() and wanted in log.read_text():
            return
        assert process.poll() is None, finish(process)
        time.sleep(0.005)
    raise AssertionError(f"{stage} did not reach step {step}")


def test_all_runs_the_chain_and_leaves_everything_it_should(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, hold_out=2, validate_every=3, preview_every=3)
    assert main([recipe, "--validate", f"[{PHOTOS}]"]) == 0
    run = tmp_path / "run"
    for name in ("teacher.safetensors", "student.safetensors", "kdsr-s-x4.safetensors",
                 "kdsr-s-x4.md", "options.yaml", "log.jsonl", "tensorboard"):  # fmt: skip
        assert (run / name).exists(), name
    lines = log_lines(run)
    student = [line for line in lines if line["stage"] == "student"]
    assert [line["step"] for line in student if "l1" in line] == list(range(1, 7))
    assert all(line["kd"] >= 0 for line in student if "kd" in line)
    measured = [line for line in student if "psnr_y_photos" in line]
    assert [line["step"] for line in measured] == [3, 6]
    assert {"psnr_y_held_out", "bicubic_psnr_y_held_out", "idr_cosine"} <= set(measured[-1])
    with Image.open(run / "previews" / "student-00000006.png") as grid:
        assert grid.size == (5 * 32, 4 * 32 + 14)  # LQ, bicubic, teacher, student, GT


@pytest.mark.parametrize("recipe", ["general", "realworld"])
def test_a_model_that_cleans_without_enlarging_is_trained_like_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setattr(labelled, "SIDES", (16,))
    monkeypatch.setattr(fitting, "_STEPS", 20)
    changes = {"hold_out": 2, "validate_every": 3, "preview_every": 3, "calibration": 64}
    tiny = tiny_recipe(tmp_path, patch=16, degradation={"kind": recipe}, **changes)
    assert main([tiny, "--scale", "1", "--show", "3"]) == 0
    assert main([tiny, "--scale", "1"]) == 0
    run = tmp_path / "run"
    measured = log_lines(run)
    last = [line for line in measured if "psnr_y_held_out" in line][-1]
    assert 15 < last["input_psnr_y_held_out"] < 50
    assert not any("bicubic" in name for name in last)
    with Image.open(run / "previews" / "student-00000006.png") as grid:
        assert grid.size == (4 * 16, 4 * 16 + 14)  # LQ, teacher, student, GT
    model = kdsr.load(run / "kdsr-s-x1.safetensors")
    assert (model.config.scale, model.calibration is None) == (1, False)
    card = (run / "kdsr-s-x1.md").read_text()
    assert "image restoration" in card
    assert "| set | kdsr-s-x1 | input |" in card


def test_a_mix_of_pipelines_is_trained_measured_apart_kept_to_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(
        tmp_path, patch=16, hold_out=1, validate_every=6, validate_on=["own", "general"],
        degradation={"realworld_share": 0.5}, stages=["student"],
        from_teacher=False,
        student={"steps": 6, "warmup": 2, "kd_weight": 0.0, "colour_weight": 3.0},
    )  # fmt: skip
    assert main([recipe]) == 0
    run = tmp_path / "run"
    lines = log_lines(run)
    assert all(line["colour"] > 0 for line in lines if "l1" in line)
    assert {"psnr_y_held_out", "psnr_y_held_out_general"} <= set(lines[-1])
    model = kdsr.load(run / "kdsr-s-x4.safetensors")
    assert model.metadata["degradation"] == "general and realworld"
    assert isinstance(trained_on(model.metadata, 4), MixedDegradation)
    decided = json.loads(model.metadata["recipe"])
    assert decided["degradation.realworld.final_sinc_probability"] == 0.8
    weights = str(run / "kdsr-s-x4.safetensors")
    assert publish([weights, "a/b", "--listing", str(tmp_path), "--author", "me"]) == 0
    tags = json.loads((tmp_path / "4x-kdsr-s.json").read_text())["tags"]
    assert tags == ["deblur", "denoise", "jpeg", "restoration", "photo", "research"]
    assert main([recipe, "--degradation.realworld_share", "0.25"]) == 2
    assert "degradation.realworld_share was 0.5, is 0.25" in capsys.readouterr().err


def test_the_stages_without_distillation_and_against_a_discriminator_run(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        tmp_path, stages=["teacher", "student", "control", "gan"], patch=16,
        degradation={"kind": "realworld"},
    )  # fmt: skip
    assert main([recipe, "--gan.perceptual_weight", "0"]) == 0
    run = tmp_path / "run"
    lines = log_lines(run)
    control = [line for line in lines if line["stage"] == "control" and "l1" in line]
    assert len(control) == 6
    assert not any("kd" in line for line in control)
    gan = [line for line in lines if line["stage"] == "gan" and "l1" in line]
    assert {"l1", "kd", "gan", "real", "fake"} <= set(gan[-1])
    first, last = gan[0], gan[-1]
    assert last["real"] + last["fake"] != first["real"] + first["fake"]
    assert kdsr.load(run / "kdsr-s-x4.safetensors").metadata["stage"] == "gan"


def test_the_gan_stage_needs_no_teacher_where_nothing_is_distilled(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, stages=["control", "gan"], from_teacher=False, patch=16)
    assert main([recipe, "--stages", "[control]"]) == 0
    options = [
        "--stage", "gan", "--init", str(tmp_path / "run" / "control.safetensors"),
        "--gan.perceptual_weight", "0", "--gan.kd_weight", "0", "--discriminator", "unshuffled",
    ]  # fmt: skip
    assert main([recipe, *options]) == 0
    lines = log_lines(tmp_path / "run")
    gan = [line for line in lines if line["stage"] == "gan" and "gan" in line]
    assert len(gan) == 4
    assert not any("kd" in line for line in gan)


def test_a_stop_signal_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, teacher={"steps": 500, "warmup": 2})
    process = start(recipe, "--stage", "teacher")
    wait_for_step(process, tmp_path / "run" / "log.jsonl", "teacher", 5)
    process.terminate()
    output = finish(process)
    assert process.returncode == 0, output
    assert "SIGTERM was received; run again to go on" in output
    saved = Checkpoints(tmp_path / "run" / "checkpoints", "teacher").load(print)
    assert saved is not None
    assert 5 <= saved["step"] < 500
    assert (tmp_path / "run" / "teacher.safetensors").is_file()


def test_the_time_limit_stops_cleanly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tiny_recipe(tmp_path, teacher={"steps": 100_000, "warmup": 2})
    assert main([recipe, "--time-limit", "0.002"]) == 0
    assert "the time limit was reached; run again to go on" in capsys.readouterr().out
    assert Checkpoints(tmp_path / "run" / "checkpoints", "teacher").load(print) is not None
    assert not (tmp_path / "run" / "student.safetensors").exists()


def test_shards_carry_a_run_to_another_place(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, teacher={"steps": 6, "warmup": 2}, shard_mib=15)
    assert main([recipe, "--stage", "teacher"]) == 0
    (tmp_path / "run").rename(tmp_path / "carried")
    options = yaml.safe_load(Path(recipe).read_text())
    options |= {"out": str(tmp_path / "carried")}
    Path(recipe).write_text(yaml.safe_dump(options))
    assert main([recipe]) == 0
    lines = log_lines(tmp_path / "carried")
    steps = [line["step"] for line in lines if line["stage"] == "teacher" and "l1" in line]
    assert steps == list(range(1, 7))


def test_a_corrupt_checkpoint_is_passed_over_and_the_run_ends_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tmp_path, save_every=3)
    assert main([recipe, "--stage", "teacher"]) == 0
    expected = read_tensors(tmp_path / "run" / "teacher.safetensors")[0]
    (tmp_path / "run" / "teacher.safetensors").unlink()
    folder = tmp_path / "run" / "checkpoints"
    shard = folder / "teacher-00000006.000.pt"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    capsys.readouterr()
    assert main([recipe, "--stage", "teacher"]) == 0
    shown = capsys.readouterr().out
    assert "teacher-00000006.json is damaged" in shown
    assert "resuming from the one before it, teacher-00000003" in shown
    actual = read_tensors(tmp_path / "run" / "teacher.safetensors")[0]
    assert same_tensors(expected, actual)
    for shard in folder.glob("*.pt"):
        shard.write_bytes(b"")
    error = refused(capsys, recipe, "--stage", "teacher")
    assert "no checkpoint of the teacher" in error


def test_a_full_disk_during_training_is_one_clear_message_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tmp_path, save_every=3, teacher={"steps": 3, "warmup": 0})
    assert main([recipe, "--stage", "teacher"]) == 0
    more = ["--stage", "teacher", "--teacher.steps", "6", "--allow_changes"]
    with full_disk(room=20_000):
        error = refused(capsys, recipe, *more)
    assert "cannot write the checkpoint teacher-00000006" in error
    assert "the newest whole one is teacher-00000003" in error
    assert main([recipe, *more]) == 0
    assert (Checkpoints(tmp_path / "run" / "checkpoints", "teacher").load(print) or {})["step"] == 6


def test_a_checkpoint_of_another_network_or_run_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tmp_path)
    assert main([recipe, "--stage", "teacher"]) == 0
    error = refused(capsys, recipe, "--n_feats", "8", "--stage", "teacher")
    assert "has another network" in error
    error = refused(capsys, recipe, "--teacher.lr", "1e-5", "--seed", "4", "--stage", "teacher")
    assert "seed was 0, is 4; teacher.lr was 0.001, is 1e-05" in error
    assert "--allow_changes" in error
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes((PHOTOS / "otter.jpg").read_bytes())
    assert "the images were" in refused(capsys, recipe, "--data", str(other), "--stage", "teacher")
    assert main([recipe, "--stage", "teacher", "--save_every", "1"]) == 0


def test_a_teacher_of_another_size_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tmp_path)
    assert main([recipe, "--stage", "teacher"]) == 0
    teacher = str(tmp_path / "run" / "teacher.safetensors")
    error = refused(
        capsys, recipe, "--stage", "student", "--n_blocks", "3", "--teacher_checkpoint", teacher,
        "--out", str(tmp_path / "second"),
    )  # fmt: skip
    assert "all stages use the same size and scale" in error


def test_check_data_reports_and_says_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tmp_path)
    assert main([recipe, "--check-data"]) == 0
    capsys.readouterr()
    assert main([recipe, "--check-data", "--validate", f"[{PHOTOS}]"]) == 1
    assert "shows the same as the benchmark image" in capsys.readouterr().out


def test_help_lists_the_recipes_and_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for part in ("classic_iso", "smoke", "--student.kd_weight", "--time_limit", "--degradation."):
        assert part in shown
    words = " ".join(shown.split())
    for docstring in (
        "Side of LQ patches in pixels; GT patches are `scale` times larger. (type: int",
        "Stop cleanly, with a checkpoint, after this many minutes; 0 for no limit.",
        "Weight of the distillation loss (student, gan); the control trains without it.",
        "Strongest Gaussian noise, 0-255.",
    ):
        assert docstring in words


@pytest.mark.parametrize(
    ("changes", "argv", "words"),
    [
        ({}, ["--bath", "3", "--student.lr", "fast"],
         ["unknown option bath; is it batch?", "student.lr: Expected"]),
        ({}, ["--data", "null"], ["name a folder or a list file with --data"]),
        ({}, ["--data", "empty"], ["expected training images at"]),
        ({"patch": 200}, [], ["smaller than the crop of 800 px", "--patch"]),
        ({"patch": 8}, ["--scale", "1"], ["patch must be at least 16, got 8"]),
        ({"batch": 3, "accumulate": 2}, [],
         ["batch must be a multiple of accumulate, got 3 and 2"]),
    ],
    ids=["options", "no data", "empty data", "small images", "x1", "parts"],
)  # fmt: skip
def test_what_cannot_be_trained_is_one_clear_message_and_leaves_no_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, int],
    argv: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    error = refused(capsys, tiny_recipe(tmp_path, **changes), *argv)
    assert all(word in error for word in words), error
    assert "log.jsonl" not in [path.name for path in tmp_path.rglob("*")]
