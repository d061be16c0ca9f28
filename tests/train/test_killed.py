"""kill -9 at any moment: the same command goes on, and ends as if nothing had happened."""

import contextlib
import io
import itertools
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from kdsr.files.weights import read_tensors
from tests.support.train_runs import log_lines, same_tensors, tiny_recipe
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


def start(recipe: str, last: int = 0) -> int:
    """The command in a process of its own, which need not import everything again.

    Args:
        recipe: Recipe of the training.
        last: Which file, counted from 1, is whole when the process kills itself; 0 for none.
    """
    child = os.fork()
    if child:
        return child
    code, replace, files = 99, Path.replace, itertools.count(1)

    def replaced(part: Path, target: Path) -> Path:
        if next(files) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(part, target)

    try:
        pytest.MonkeyPatch().setattr(Path, "replace", replaced)
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


def same_end(whole: Path, run: Path) -> None:
    """Checks that a run ended as the one that was not killed."""
    assert same_tensors(weights(whole), weights(run))
    assert losses(whole) == losses(run)
    assert not list(run.rglob("*.part")), "parts of killed processes are swept"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {
        f"{stage}/{key}": tensor
        for stage in STAGES
        for key, tensor in read_tensors(run / f"{stage}.safetensors")[0].items()
    }


def losses(run: Path) -> list[tuple[str, int, float]]:
    return [(line["stage"], line["step"], line["l1"]) for line in log_lines(run) if "l1" in line]


def test_a_run_killed_before_a_file_is_in_its_place_ends_bit_for_bit_the_same(
    tmp_path: Path,
) -> None:
    run_whole(recipe_of(tmp_path / "whole", "general"))
    recipe = recipe_of(tmp_path / "killed", "general")
    for last in (4, 9, 20):
        _, status = os.waitpid(start(recipe, last), 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert list((tmp_path / "killed" / "run").rglob("*.part"))
    run_whole(recipe)
    same_end(tmp_path / "whole" / "run", tmp_path / "killed" / "run")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "kills"), [("general", 50), ("classic", 10), ("realworld", 10)])
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
        same_end(whole, folder / "run")
