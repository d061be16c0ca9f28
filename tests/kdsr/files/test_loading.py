"""Loading by name, and the dial between a crisp model and its faithful partner."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import kdsr
from kdsr import KDSR, ConfigError
from kdsr.cli import main
from kdsr.files import catalog
from kdsr.files.catalog import CatalogEntry
from kdsr.files.images import read_image
from kdsr.files.weights import save_checkpoint
from tests.kdsr.test_blending import crisp_of


@pytest.fixture
def pair(tiny: KDSR, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[KDSR, KDSR]:
    """Two models with names: "soft", and "hard" that was trained on from it."""
    models = {"soft": tiny, "hard": crisp_of(tiny)}
    entries = [
        CatalogEntry(
            name, None, f"{name}.safetensors", None, "", "none", 4, "none", "none",
            serves="photo" if name == "hard" else "faithful",
            faithful="soft" if name == "hard" else None,
        )
        for name in models
    ]  # fmt: skip
    for name, model in models.items():
        save_checkpoint(model, tmp_path / f"{name}.safetensors")
    monkeypatch.setattr(catalog, "list_models", lambda: entries)
    monkeypatch.setattr("kdsr.files.catalog.list_models", lambda: entries)
    monkeypatch.setattr("kdsr.files.catalog.WEIGHTS", tmp_path)
    return models["soft"], models["hard"]


@pytest.mark.parametrize("crispness", [0.0, 0.4, 1.0, 1.25])
def test_crispness_blends_a_crisp_model_with_its_partner(
    pair: tuple[KDSR, KDSR], crispness: float
) -> None:
    loaded = kdsr.load("hard", crispness=crispness)
    expected = kdsr.blend_models(*pair, crispness)
    for key, value in loaded.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[key])


def test_a_purpose_has_the_crispness_of_its_model(pair: tuple[KDSR, KDSR]) -> None:
    softer, named = kdsr.load("photo", crispness=0.5), kdsr.load("hard", crispness=0.5)
    assert softer.weights_hash() == named.weights_hash()
    for key, value in softer.state_dict().items():
        assert torch.equal(value, named.state_dict()[key])
    with pytest.raises(ConfigError, match="is for hard, which faithful is not"):
        kdsr.load("faithful", crispness=0.5)


def test_a_retired_purpose_has_the_crispness_of_the_one_that_replaced_it(
    pair: tuple[KDSR, KDSR], caplog: pytest.LogCaptureFixture
) -> None:
    softer = kdsr.load("photo", crispness=0.5)
    assert kdsr.load("old", crispness=0.5).weights_hash() == softer.weights_hash()
    assert len(caplog.records) == 1


def test_an_idr_serves_every_crispness(pair: tuple[KDSR, KDSR]) -> None:
    lq = torch.rand(1, 3, 16, 16)
    idr = kdsr.load("hard").estimate(lq)
    softer = kdsr.load("hard", crispness=0.5)
    assert softer.upscale(lq, idr).shape == (1, 3, 64, 64)
    assert torch.equal(softer.estimate(lq).idr, idr.idr)


def test_a_model_without_a_partner_has_no_crispness(pair: tuple[KDSR, KDSR]) -> None:
    with pytest.raises(ConfigError, match=r"crispness is for hard, which soft is not.*blend-model"):
        kdsr.load("soft", crispness=0.5)
    assert kdsr.load("soft", crispness=1).config == pair[0].config
    with pytest.raises(ConfigError, match=r"to 1\.25, got 2"):
        kdsr.load("hard", crispness=2)


def test_the_command_takes_it(
    pair: tuple[KDSR, KDSR], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, made = tmp_path / "a.png", tmp_path / "b.png"
    Image.effect_mandelbrot((24, 20), (-2, -1, 1, 1), 50).convert("RGB").save(picture)
    arguments = ["upscale", str(picture), "-o", str(made), "--dtype", "fp32"]
    assert main([*arguments, "--model", "hard", "--crispness", "0.5"]) == 0
    with Image.open(made) as image:
        pixels = torch.from_numpy(np.asarray(image).copy())
    lq = read_image(picture).rgb
    expected = kdsr.load("hard", crispness=0.5).upscale(lq, dtype="fp32")
    assert (pixels.permute(2, 0, 1) - expected[0] * 255).abs().max() < 0.6
    assert main([*arguments, "--crispness", "0.5", "--scale", "4", "--overwrite"]) == 2
    assert "crispness is for hard, which kdsr-s-x4 is not" in capsys.readouterr().err
