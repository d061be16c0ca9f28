"""Models between two: exactly in between, and only between those that belong together."""

import copy
from pathlib import Path

import pytest
import torch

import kdsr
from kdsr import KDSR, ConfigError
from kdsr.cli import main
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny


def crisp_of(faithful: KDSR) -> KDSR:
    """The same estimator, another network."""
    torch.manual_seed(7)
    crisp = copy.deepcopy(faithful)
    for parameter in crisp.network.parameters():
        parameter.add_(0.01 * torch.randn_like(parameter))
    crisp.freeze()
    return crisp


@pytest.mark.parametrize("weight", [0.0, 0.6, 1.0, 1.25])
def test_weights_lie_on_the_line_and_the_estimator_stays(tiny, weight: float) -> None:
    crisp = crisp_of(tiny)
    made = kdsr.blend_models(tiny, crisp, weight)
    a, b = tiny.state_dict(), crisp.state_dict()
    for key, value in made.state_dict().items():
        torch.testing.assert_close(value, (1 - weight) * a[key] + weight * b[key])
    assert made.fingerprint == tiny.fingerprint
    assert (made.weights_hash() == tiny.weights_hash()) == (weight == 0)
    lq = torch.rand(1, 3, 24, 20)
    assert torch.equal(made.estimate(lq).idr_full, tiny.estimate(lq).idr_full)


def test_the_two_models_are_left_as_they_are(tiny) -> None:
    crisp = crisp_of(tiny)
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in (tiny, crisp)]
    kdsr.blend_models(tiny, crisp, 0.5)
    for model, kept in zip((tiny, crisp), before, strict=True):
        assert all(torch.equal(v, kept[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("weight", [-0.1, 1.3, float("nan"), float("inf")])
def test_weights_out_of_range_are_refused(tiny, weight: float) -> None:
    with pytest.raises(ConfigError, match=r"weight of 0 .* to 1\.25"):
        kdsr.blend_models(tiny, crisp_of(tiny), weight)


def test_models_that_estimate_differently_are_refused(tiny) -> None:
    with pytest.raises(ConfigError, match=r"estimate differently.*estimator_lr 0"):
        kdsr.blend_models(tiny, make_tiny(seed=3), 0.5)
    with pytest.raises(ConfigError, match="different size"):
        kdsr.blend_models(tiny, make_tiny(scale=2), 0.5)


def test_models_that_were_trained_apart_are_mixed_with_their_estimators(
    tiny, tmp_path: Path
) -> None:
    apart = make_tiny(seed=3)
    made = kdsr.blend_models(tiny, apart, 0.25, estimators=True)
    a, b = tiny.state_dict(), apart.state_dict()
    for key, value in made.state_dict().items():
        torch.testing.assert_close(value, 0.75 * a[key] + 0.25 * b[key])
    paths = [str(tmp_path / f"{name}.safetensors") for name in "abc"]
    for path, model in zip(paths, (tiny, apart), strict=False):
        save_checkpoint(model, path)
    command = ["blend-models", *paths[:2], "0.25", "-o", paths[2]]
    assert main(command) == 2
    assert main([*command, "--estimators"]) == 0
    assert kdsr.load(paths[2]).fingerprint == made.fingerprint


def test_a_calibration_holds_for_one_estimator_alone(bundled) -> None:
    real = kdsr.load("kdsr-s-x4-real")
    assert kdsr.blend_models(bundled, real, 0.5, estimators=True).calibration is None
    crisp = kdsr.load("kdsr-s-x4-crisp")
    assert kdsr.blend_models(bundled, crisp, 0.5, estimators=True).calibration is not None


def test_the_command_writes_what_the_library_makes(tiny, tmp_path: Path, capsys) -> None:
    crisp = crisp_of(tiny)
    for name, model in (("a", tiny), ("b", crisp)):
        save_checkpoint(model, tmp_path / f"{name}.safetensors")
    paths = [str(tmp_path / f"{name}.safetensors") for name in "abc"]
    assert main(["blend-models", *paths[:2], "0.6", "-o", paths[2]]) == 0
    expected = kdsr.blend_models(tiny, crisp, 0.6)
    assert kdsr.load(paths[2]).weights_hash() == expected.weights_hash()
    assert expected.weights_hash() in capsys.readouterr().out
    assert main(["blend-models", *paths[:2], "0.6", "-o", paths[2]]) == 2
    assert main(["blend-models", *paths[:2], "0.6", "-o", paths[0], "--overwrite"]) == 2
