"""Two processes that share a batch train as one process does on the whole of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kdsr import KDSR, KDSRConfig
from kdsr.files.weights import read_tensors
from tests.support.places import ROOT
from tests.support.train_runs import log_lines, tiny_recipe
from train.recipes.stages import StageOptions
from train.run import main
from train.stages.distillation import Batch, StudentStage


def run_on_two(recipe: str, port: int) -> None:
    # --multi_gpu is accelerate's word for several processes; the recipe's device makes them gloo.
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--num_cpu_threads_per_process", "1", "--main_process_port", str(port),
        str(ROOT / "train" / "run.py"), recipe,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: PLW1510 - the assertion shows more
        command, env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "on cpu, 2 processes" in done.stdout


def curve(folder: Path) -> list[tuple[str, int, dict[str, float]]]:
    lines = log_lines(folder / "run")
    names = ("l1", "kd", "gan", "real", "fake", "grad_norm")
    return [
        (line["stage"], line["step"], {n: line[n] for n in names if n in line})
        for line in lines
        if "l1" in line
    ]


def test_a_channels_last_model_runs_twice_a_step_in_a_process_group(tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    try:
        torch.manual_seed(0)
        model = KDSR(KDSRConfig(2, 8, 1, 1))
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        lq = torch.rand(4, 3, 16, 16)
        batch = Batch(lq, torch.rand(4, 3, 32, 32), 0)
        stage = StudentStage("student", model, StageOptions(consistency_weight=1.0))
        alone = stage.losses("model", {"model": model}, batch)
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
        found = stage.losses("model", {"model": wrapped}, batch)
        torch.testing.assert_close(found, alone)
        torch.stack(list(found.values())).sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_follow_the_loss_curve_of_one_with_the_doubled_batch(tmp_path: Path) -> None:
    # At equal batches: each of the two gets half of the samples that the one gets alone.
    changes = {"batch": 4, "stages": ["teacher", "student", "gan"], "patch": 16}
    changes["gan"] = {"steps": 4, "lr": 1e-4, "warmup": 0, "kd_weight": 1.0, "gan_weight": 1.0,
                      "perceptual_weight": 0.0}  # fmt: skip
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    for folder in (alone, shared):
        folder.mkdir()
    assert main([tiny_recipe(alone, **changes)]) == 0
    run_on_two(tiny_recipe(shared, **changes), port=29581)
    expected, actual = curve(alone), curve(shared)
    assert len(expected) == 16
    assert [line[:2] for line in expected] == [line[:2] for line in actual]
    for (stage, step, one), (_, _, two) in zip(expected, actual, strict=True):
        assert one.keys() == two.keys()
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-6), (stage, step, name)
    for name in ("teacher", "student", "gan"):
        one, _ = read_tensors(alone / "run" / f"{name}.safetensors")
        two, _ = read_tensors(shared / "run" / f"{name}.safetensors")
        for key in one:
            assert torch.allclose(one[key], two[key], rtol=1e-3, atol=1e-4), (name, key)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_stop_waiting_for_better_weights_in_the_same_step(tmp_path: Path) -> None:
    """Only the first process measures; another one continuing alone would wait for ever."""
    changes = {
        "batch": 4, "stages": ["control"], "from_teacher": False, "hold_out": 2, "ema": 0.0,
        "validate_every": 1, "best": "psnr_y", "patience": 1, "clip": 1e9,
        "student": {"steps": 60, "warmup": 0, "lr": 0.5},
    }  # fmt: skip
    run_on_two(tiny_recipe(tmp_path, **changes), port=29583)
    assert 1 < len(curve(tmp_path)) < 60
    _, metadata = read_tensors(tmp_path / "run" / "control.safetensors")
    assert int(metadata["steps"]) == len(curve(tmp_path)) - 1
