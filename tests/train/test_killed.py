"""kill -9 at random moments: the same command goes on, and ends as if nothing had happened."""

import contextlib
import io
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from kdsr.files.tensors import read_tensors
from tests.support.train_runs import log_lines, one_thread, same_tensors, tiny_recipe  # noqa: F401 - a fixture
from train.run import main

STAGES = ("teacher", "student", "gan")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def recipe_of(folder: Path, kind: str) -> str:
    """Three short stages that write a checkpoint after every step, so that kills meet writes."""
    folder.mkdir()
    return tiny_recipe(
        folder, stages=list(STAGES), patch=16, final_patch=12, save_every=1, keep=2, ema=0.9,
        shard_mib=1, patterns=0.3, degradation={"kind": kind},
        pair_uses=2 if kind == "realworld" else 1,
        teacher={"steps": 5, "warmup": 2},
        student={"steps": 5, "warmup": 2, "kd_weight": 0.05, "optimizer": "muon"},
        gan={"steps": 4, "lr": 1e-4, "warmup": 0, "kd_weight": 1.0, "gan_weight": 1.0,
             "perceptual_weight": 0},
    )  # fmt: skip


def start(recipe: str) -> int:
    """The command in a process of its own, which need not import everything again."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = main([recipe])
    finally:
        os._exit(code)


def run_whole(recipe: str) -> float:
    """Runs to the end; returns how many seconds that took."""
    before = time.monotonic()
    _, status = os.waitpid(start(recipe), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return time.monotonic() - before


def run_and_kill(recipe: str, seconds: float) -> bool:
    """Kills a run after some time; returns whether it was still running."""
    child = start(recipe)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"a resumed run failed with {code}"
    return code != 0


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {
        f"{stage}/{key}": tensor
        for stage in STAGES
        for key, tensor in read_tensors(run / f"{stage}.safetensors")[0].items()
    }


def losses(run: Path) -> list[tuple[str, int, float]]:
    return [(line["stage"], line["step"], line["l1"]) for line in log_lines(run) if "l1" in line]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ("general", 5),
        *(pytest.param(*each, marks=pytest.mark.slow)
          for each in (("general", 50), ("classic", 10), ("realworld", 10))),
    ],
)  # fmt: skip
def test_runs_killed_at_random_moments_end_bit_for_bit_the_same(
    tmp_path: Path, kind: str, kills: int
) -> None:
    seconds = run_whole(recipe_of(tmp_path / "whole", kind))
    whole = tmp_path / "whole" / "run"
    rng, done, rounds = random.Random(kills), 0, 0
    while done < kills:
        folder = tmp_path / f"killed{rounds}"
        rounds += 1
        recipe = recipe_of(folder, kind)
        while done < kills and run_and_kill(recipe, rng.uniform(0, 0.6 * seconds)):
            done += 1
        run_whole(recipe)
        assert same_tensors(weights(whole), weights(folder / "run")), rounds
        assert losses(whole) == losses(folder / "run")
        assert not list((folder / "run").rglob("*.part")), "parts of killed processes are swept"
