"""What the training tests share: a tiny recipe, and one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from tests.support.places import PHOTOS

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


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are slower with more threads. Import it to use it in a whole file."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
