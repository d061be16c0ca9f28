"""Helpers of the training tests: a tiny recipe, a run's log, and its refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate import Accelerator

from tests.support.pairs import small_photos
from train.loop.loop import Loop, make_loop
from train.loop.session import open_session
from train.recipes.reading import read_options
from train.run import main

PHOTOS = small_photos()
TINY = {
    "data": str(PHOTOS), "device": "cpu", "threads": 1, "precision": "fp32", "n_feats": 4,
    "n_blocks": 2, "n_resblocks": 1, "patch": 8, "batch": 4, "log_every": 1, "save_every": 100,
    "validate_every": 100, "preview_every": 100, "min_spread": 0.0, "discriminator_feats": 4,
    "calibration": 0,
    "teacher": {"steps": 6, "warmup": 2}, "student": {"steps": 6, "warmup": 2, "kd_weight": 0.05},
    "gan": {"steps": 4, "lr": 1e-4, "warmup": 0, "kd_weight": 1.0, "gan_weight": 1.0},
}  # fmt: skip


def tiny_recipe(folder: Path, **changes: object) -> str:
    """Writes a recipe of seconds; returns its path. Runs go to `folder/run`."""
    recipe = {**TINY, "out": str(folder / "run"), "cache": str(folder / "cache"), **changes}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return str(path)


def loop_of(folder: Path, stage: str = "teacher", **changes: object) -> Loop:
    """The loop of a stage of the tiny recipe."""
    options = read_options([tiny_recipe(folder, **changes)])
    return make_loop(open_session(options, Accelerator(cpu=True)), stage)


def log_lines(run: Path) -> list[dict[str, Any]]:
    """Entries of a run's log."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def same_tensors(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    """Whether two states have the same names and the same bits."""
    return some.keys() == others.keys() and all(torch.equal(t, others[k]) for k, t in some.items())


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Runs `train/run.py`, which must fail with one line; returns the line."""
    assert main(list(argv)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error
