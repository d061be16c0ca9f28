"""`--one-idr`: the same IDR for all images."""

from pathlib import Path

import pytest
import torch

import kdsr.cli.upscale
from kdsr import IDR
from kdsr.cli import main
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.pictures import save_noise
from tests.support.refusal import Refused

MODEL = ["--model", "m.safetensors", "--dtype", "fp32"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """m.safetensors, and three pictures in roll/."""
    monkeypatch.chdir(tmp_path)
    save_checkpoint(make_tiny(), tmp_path / "m.safetensors")
    for seed, name in enumerate("abc"):
        save_noise(tmp_path / "roll" / f"{name}.png", 14 + seed, 17, seed=seed)
    return tmp_path


def test_the_roll_has_the_idr_that_estimate_averages_and_every_picture_uses_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["upscale", "roll", *MODEL, "--one-idr", "--save-idr", "one.safetensors", "-o", "out"]
    assert main(run) == 0
    assert "one IDR for all, from 3 of 3 images" in capsys.readouterr().err
    assert main(["estimate", "roll", *MODEL, "--mean", "-o", "mean.safetensors"]) == 0
    one, mean = IDR.load("one.safetensors"), IDR.load("mean.safetensors")
    torch.testing.assert_close(one.idr, mean.idr, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(one.idr_full, mean.idr_full, rtol=1e-6, atol=1e-9)
    assert torch.equal(one.structure, mean.structure)
    assert main(["upscale", "roll", *MODEL, "--idr", "one.safetensors", "-o", "given"]) == 0
    assert main(["upscale", "roll", *MODEL, "-o", "own"]) == 0
    for path in (folder / "out").iterdir():
        assert path.read_bytes() == (folder / "given" / path.name).read_bytes()
        assert path.read_bytes() != (folder / "own" / path.name).read_bytes()


def test_joining_idrs_on_the_way_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for most, name in ((1000, "apart"), (2, "joined")):
        monkeypatch.setattr(kdsr.cli.upscale, "_APART", most)
        run = ["upscale", "roll", *MODEL, "--one-idr", "--save-idr", f"{name}.safetensors"]
        assert main([*run, "-o", name]) == 0
        assert "from 3 of 3 images" in capsys.readouterr().err
    one, same = (folder / f"{name}.safetensors" for name in ("apart", "joined"))
    assert one.read_bytes() == same.read_bytes()


def test_an_image_that_cannot_be_read_is_left_out_and_told_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "roll" / "bad.png").write_text("no picture")
    assert main(["upscale", "roll", *MODEL, "--one-idr", "-o", "out"]) == 2
    errors = capsys.readouterr().err
    assert "from 3 of 4 images" in errors
    assert errors.count("bad.png: not an image") == 1
    assert len(list((folder / "out").iterdir())) == 3


def test_a_roll_of_which_nothing_can_be_read_is_one_error(folder: Path, refused: Refused) -> None:
    for name in ("x.png", "y.png"):
        (folder / name).write_text("no picture")
    said = refused("upscale", "x.png", "y.png", *MODEL, "--one-idr", "-o", "out")
    assert "no image has an IDR; of the first: x.png: not an image" in said


def test_it_goes_with_no_other_idr(capsys: pytest.CaptureFixture[str]) -> None:
    for other in (["--idr", "a.safetensors"], ["--map"]):
        with pytest.raises(SystemExit):
            main(["upscale", "a.png", "--one-idr", *other])
        assert "not allowed with argument --one-idr" in capsys.readouterr().err
