"""KDSR among spandrel's architectures, asked in an interpreter that has spandrel.

spandrel needs torchvision, which would pin torch: it is no dependency of the tests. Without it here
and in ComfyUI's interpreter they are skipped.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import kdsr
import kdsr.spandrel_archs
from kdsr.files.baked import save_baked
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.places import GOLDEN, ROOT
from tools.comfy_server import comfy_python

BUNDLED = str(ROOT / "kdsr/weights/kdsr-s-x4.safetensors")
STUDENTS = [str(path) for path in sorted(GOLDEN.glob("*student*.pt*"))]
TEACHER = str(GOLDEN / "classic_teacher_x2.pt")


@pytest.fixture(scope="module")
def ask() -> Callable[..., list[Any]]:
    """Asks tests/support/spandrel_facts.py."""
    python = sys.executable if find_spec("spandrel") else comfy_python()
    if python is None or not _imports_spandrel(python):
        pytest.skip('no spandrel: pip install "kdsr[benchmark]" (it brings torchvision)')

    def ask(*question: str) -> list[Any]:
        script = ROOT / "tests/support/spandrel_facts.py"
        done = subprocess.run(
            [str(python), "-W", "ignore", str(script), *question],
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model that leaves the size, and one in 8 bits."""
    folder = tmp_path_factory.mktemp("files")
    alone, small = (str(folder / f"{name}.safetensors") for name in ("alone_x1", "in_8_bits_x2"))
    save_checkpoint(make_tiny(1), alone)
    save_checkpoint(make_tiny(2), small, dtype=torch.int8)
    return alone, small


@pytest.fixture(scope="module")
def answers(ask: Callable[..., list[Any]], files: tuple[str, str]) -> list[Any]:
    """Answers of one process, as importing PyTorch and spandrel takes seconds."""
    baked = str(Path(files[0]).with_name("baked.safetensors"))
    load = ("load", BUNDLED, *files, *STUDENTS, TEACHER)
    return ask("install", "+", *load, "+", "baked", BUNDLED, baked)


def _imports_spandrel(python: str | Path) -> bool:
    found = "import importlib.util as u, sys; sys.exit(u.find_spec('spandrel') is None)"
    return subprocess.run([str(python), "-c", found], check=False).returncode == 0


@pytest.mark.skipif(find_spec("spandrel") is not None, reason="spandrel is installed here")
def test_without_spandrel_it_is_said_how_to_get_it() -> None:
    with pytest.raises(kdsr.KDSRError, match=r"spandrel cannot be imported.*pip install spandrel"):
        kdsr.spandrel_archs.install()


def test_installing_twice_adds_the_architecture_once(answers: list[Any]) -> None:
    assert answers[0] == {"added": [True, False], "times": 1, "baked": 1}


def test_spandrel_loads_ours_and_official_files_and_says_what_teachers_lack(
    answers: list[Any], files: tuple[str, str]
) -> None:
    loaded = dict(answers[1])
    assert "needs the ground truth" in loaded.pop(TEACHER)["error"]
    assert loaded[BUNDLED]["tags"] == ["32nf", "16nb", "4rb"]
    for path, model in loaded.items():
        assert model["kind"] == "ImageModelDescriptor"
        purpose = "SR" if path != files[0] else "Restoration"
        assert (model["architecture"], model["purpose"]) == ("KDSR", purpose)
        assert f"_x{model['scale']}" in path.replace("-", "_")
        assert model["tiling"] == "INTERNAL"  # one IDR for the whole image, whoever asks
        # Not the same bits: the number of threads is another in that interpreter's two calls.
        assert model["difference"] < 1e-5
        assert model["difference_of_module"] < 1e-5
        assert model["difference_in_half"] < 1 / 255
        assert model["half_stays_half"]
        assert "got (1, 4, 8, 8); take the alpha off before" in model["refusal"]


def test_spandrel_loads_a_baked_network_as_any_that_tiles(answers: list[Any]) -> None:
    model = dict(answers[2])
    assert "got (1, 4, 8, 8); take the alpha off before" in model.pop("refusal")
    exact, half = model.pop("differences")
    assert exact < 1e-5
    assert half < 2 / 255
    assert model == {
        "kind": "ImageModelDescriptor", "architecture": "KDSR-baked", "scale": 4,
        "tiling": "SUPPORTED",
    }  # fmt: skip


@pytest.mark.slow
def test_no_architecture_takes_the_files_of_another(
    ask: Callable[..., list[Any]], tmp_path: Path
) -> None:
    baked = tmp_path / "baked.safetensors"
    tiny = make_tiny()
    save_baked(tiny.bake(tiny.estimate(torch.rand(1, 3, 9, 9))), baked)
    (taken,) = ask("others", BUNDLED, *STUDENTS, TEACHER, str(baked))
    assert taken["ours"].pop(str(baked)) == ["KDSR-baked"]
    assert len(taken["theirs"]) >= 42
    for architecture, takers in taken["theirs"].items():
        assert architecture in takers
        assert not {"KDSR", "KDSR-baked"} & set(takers)
    for path, takers in taken["ours"].items():
        assert takers == ["KDSR"], path
