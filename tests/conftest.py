import gc
import os
import random

import numpy as np
import pytest
import torch
from PIL import Image

import kdsr
from kdsr import KDSR, KDSRConfig
from tests.support.calibrated import calibration_for
from tests.support.comfy import canvas, comfy, comfy_page, comfy_servers, page  # noqa: F401
from tests.support.comfy_host import host  # noqa: F401 - a fixture
from tests.support.places import ROOT


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Workers of `pytest -n 2` take one thread each, as do the commands that they start."""
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
    else:
        torch.set_num_threads(2)


@pytest.fixture(scope="module", autouse=True)
def _short_collections() -> None:
    """Keeps garbage collections from walking through half a million objects of imported modules."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # Hypothesis may be imported for its report, and asks for referrers of objects


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in ComfyUI may be the one that starts it, on a machine that does other things, too."""
    for item in items:
        if item.get_closest_marker("comfy"):
            item.add_marker(pytest.mark.timeout(1800))


def pytest_collectstart() -> None:
    _same_chance()  # modules draw numbers, too


@pytest.fixture(autouse=True)
def _with_same_chance() -> None:
    """Every test draws the same numbers, whatever ran before it."""
    _same_chance()


def _same_chance() -> None:
    random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def bundled() -> KDSR:
    """The model that ships with the package."""
    return kdsr.load("kdsr-s-x4")


@pytest.fixture(scope="session")
def photo() -> torch.Tensor:
    """A real low-quality photograph, (1, 3, H, W)."""
    with Image.open(ROOT / "samples" / "example.png") as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@pytest.fixture(scope="session")
def tiny() -> KDSR:
    """A small student with random weights, x4."""
    return make_tiny()


@pytest.fixture(scope="session", params=[4, 1], ids=["x4", "x1"])
def either(request: pytest.FixtureRequest) -> KDSR:
    """Like `tiny`, and then one that leaves the size: its tail is another."""
    return make_tiny(request.param)


def make_tiny(scale: int = 4, seed: int = 0) -> KDSR:
    torch.manual_seed(seed)
    return KDSR(KDSRConfig(scale, n_feats=8, n_blocks=3, n_resblocks=2)).freeze()


def make_calibrated(seed: int = 0, **changes: object) -> KDSR:
    """A tiny student with `calibration_for`."""
    model = make_tiny(seed=seed)
    model.calibration = calibration_for(model, **changes)
    return model
