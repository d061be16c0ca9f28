"""What KDSR Sample offers ships with the pack, is described, and belongs to the bundled model."""

import ast

import pytest

import kdsr
from kdsr import IDR
from tests.support.comfy_host import Host
from tests.support.places import ROOT, SAMPLES


@pytest.fixture
def files(host: Host) -> list[str]:
    """The files behind the choices of the node."""
    return list(host.module("nodes.sample").SAMPLES.values())


def test_every_sample_is_there_described_and_offered(files: list[str]) -> None:
    described = (SAMPLES / "README.md").read_text(encoding="utf-8")
    there = [path.name for path in SAMPLES.iterdir() if path.suffix in (".png", ".jpg", ".mp4")]
    assert sorted(there) == sorted(files)
    assert [name for name in files if f"`{name}`" not in described] == []


def test_what_ships_is_small_and_the_training_photos_stay_out() -> None:
    published = [*SAMPLES.glob("*.*"), *(SAMPLES / "idr").iterdir()]
    assert sum(path.stat().st_size for path in published) < 900_000
    ignored = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    assert "samples/photos/" in ignored
    assert not {"samples/", "samples/idr/"} & set(ignored)


def test_nothing_that_is_published_reads_the_training_photos() -> None:
    for path in [*(ROOT / "kdsr").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]:
        strings = [n.value for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                   if isinstance(n, ast.Constant) and isinstance(n.value, str)]  # fmt: skip
        assert "photos" not in strings, path


def test_sample_idrs_are_those_of_the_bundled_model(files: list[str]) -> None:
    model = kdsr.load("kdsr-s-x4")
    for name in files:
        idr = IDR.load(SAMPLES / "idr" / f"{name.rpartition('.')[0]}.safetensors")
        assert idr.fingerprint == model.fingerprint, "run python -m tools.sample_idrs"
        assert len(idr) == (8 if name.endswith(".mp4") else 1)
