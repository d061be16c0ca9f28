"""Calibration: what is fitted must be true of crops that nothing was fitted on.

The few sample photographs serve for both; docs/idr.md has the errors on photographs never seen.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import kdsr
import train.measuring.calibration as module
from kdsr import KDSR
from kdsr.files.weights import load_student, save_checkpoint, stored_dtype
from tests.conftest import make_tiny
from tests.support.calibrated import small_calibrated
from tests.support.places import PHOTOS
from train.calibrate import main
from train.data.cache import ImageCache, open_cache
from train.data.crops import CropSampler
from train.degradation.classic import ClassicDegradation
from train.degradation.general import GeneralDegradation, GeneralOptions
from train.degradation.realworld import RealWorldDegradation
from train.measuring import fitting, labelled
from train.measuring.calibration import calibrate, describe, inherit_calibration, trained_on
from train.measuring.protocols import fixed

CPU = torch.device("cpu")
GENERAL = GeneralDegradation(GeneralOptions(), 4)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    return open_cache(PHOTOS, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def calibrated(photographs: ImageCache) -> KDSR:
    """The bundled model, calibrated anew on a few crops of the sample photographs."""
    model = kdsr.load("kdsr-s-x4")
    crops = CropSampler(photographs, 0)
    general = GeneralDegradation(GeneralOptions(), 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelled, "SIDES", (48, 64))
        patch.setattr(fitting, "_STEPS", 1500)
        model.calibration = calibrate(model, crops, crops, general, samples=640)
    return model


def test_a_frozen_estimator_keeps_its_calibration(tmp_path: Path) -> None:
    origin = small_calibrated()
    save_checkpoint(origin, tmp_path / "origin.safetensors", dtype=torch.float16)
    model = load_student(tmp_path / "origin.safetensors")
    model.calibration = None
    model.network.head.weight.mul_(2)
    save_checkpoint(model, tmp_path / "crisp.safetensors", dtype=torch.float16)
    sources = {name: tmp_path / f"{name}.safetensors" for name in ("origin", "crisp")}
    before = sources["crisp"].read_bytes()
    assert inherit_calibration(sources["crisp"], sources["crisp"]) is None, "it has none"
    assert sources["crisp"].read_bytes() == before
    assert inherit_calibration(sources["crisp"], sources["origin"]) is not None
    kept = load_student(sources["crisp"])
    assert kept.calibration is not None
    assert origin.calibration is not None
    assert torch.equal(kept.calibration.means, origin.calibration.means)
    assert torch.equal(kept.network.head.weight, model.network.head.weight)
    assert stored_dtype(sources["crisp"]) == torch.float16
    model.estimator.load_state_dict({k: 2 * v for k, v in model.estimator.state_dict().items()})
    save_checkpoint(model, sources["crisp"], dtype=torch.float16)
    assert inherit_calibration(sources["crisp"], sources["origin"]) is None, "it was trained"
    larger = replace(model.config, n_resblocks=model.config.n_resblocks + 1)
    save_checkpoint(KDSR(larger), sources["crisp"])
    assert inherit_calibration(sources["crisp"], sources["origin"]) is None, "it has grown"


@pytest.mark.slow
def test_noise_is_read_far_better_than_guessed(calibrated: KDSR) -> None:
    c = calibrated.calibration
    assert c is not None
    assert c.typical[2] < 0.6 * c.naive[2]
    assert "| noise |" in describe(c)


@pytest.mark.slow
def test_readings_follow_the_degradation(calibrated: KDSR, photographs: ImageCache) -> None:
    gt = CropSampler(photographs, 5).batch(1, range(8), 256, CPU)
    noise = []
    for sigma in (0.0, 8.0, 18.0):
        lq = fixed(4, noise=sigma)(gt)
        values = module.torch.stack(
            [
                torch.tensor(reading.noise.value)
                for reading in kdsr.read(calibrated, calibrated.estimate(lq, dtype="fp32"))
                if reading.noise is not None
            ]
        )
        noise.append(values.mean().item())
    assert noise[0] + 2 < noise[1] < noise[2] - 2


@pytest.mark.slow
def test_most_truths_lie_inside_the_stated_errors(
    calibrated: KDSR, photographs: ImageCache
) -> None:
    gt = CropSampler(photographs, 9).batch(3, range(96), 224, CPU)
    drawn = GENERAL.sample(123, 0, range(96))
    lq = labelled.degrade(GENERAL, gt, drawn)
    readings = kdsr.read(calibrated, calibrated.estimate(lq, dtype="fp32"))
    errors = [
        (abs(reading.noise.value - float(truth)), reading.noise.error)
        for reading, truth in zip(readings, drawn.noise, strict=True)
        if reading.noise is not None
    ]
    assert len(errors) >= 60, "most can be told"
    inside = sum(actual <= stated for actual, stated in errors) / len(errors)
    assert 0.6 < inside < 0.95, "80% is what train/calibrate.py aims at"


@pytest.mark.slow
def test_the_training_lies_inside_and_other_things_outside(
    calibrated: KDSR, photographs: ImageCache
) -> None:
    gt = CropSampler(photographs, 7).batch(2, range(16), 224, CPU)
    usual = calibrated.estimate(GENERAL.apply(gt, GENERAL.sample(4, 0, range(16))), dtype="fp32")
    assert sum(reading.inside for reading in kdsr.read(calibrated, usual)) >= 15
    strange = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    readings = kdsr.read(calibrated, calibrated.estimate(strange, dtype="fp32"))
    assert not any(reading.inside for reading in readings)


@pytest.mark.slow
def test_references_lie_where_their_degradation_does(
    calibrated: KDSR, photographs: ImageCache
) -> None:
    found = kdsr.references(calibrated)
    gt = CropSampler(photographs, 8).batch(4, range(16), 224, CPU)
    for name in ("clean", "heavy noise", "heavy blur"):
        lq = fixed(4, **module.REFERENCES[name])(gt)
        idr = calibrated.estimate(lq, dtype="fp32").mean()
        best = found.nearest(idr)[0]
        assert best.split()[-1] == name.split()[-1], f"{name} is nearest to {best}"


def test_the_same_seed_gives_the_same_calibration(
    photographs: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled, "SIDES", (16,))
    monkeypatch.setattr(fitting, "_STEPS", 20)
    model = make_tiny()
    crops = CropSampler(photographs, 0)
    classic = ClassicDegradation(module.DegradationOptions().classic, 4)
    made = [calibrate(model, crops, crops, classic, samples=64) for _ in range(2)]
    for key, value in vars(made[0]).items():
        other = getattr(made[1], key)
        assert value == other if key == "names" else torch.equal(value, other), key


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int8])
def test_the_command_rewrites_a_file_in_its_own_precision(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dtype: torch.dtype,
) -> None:
    monkeypatch.setattr(labelled, "SIDES", (16,))
    monkeypatch.setattr(fitting, "_STEPS", 20)
    path = tmp_path / "m.safetensors"
    model = make_tiny()
    save_checkpoint(model, path, {"name": "m"}, dtype)
    options = ["--data", str(PHOTOS), "--cache", str(tmp_path / "cache"), "--samples", "64"]
    assert main([str(path), *options, "--hold_out", "2"]) == 0
    assert "mean absolute error" in capsys.readouterr().out
    loaded = load_student(path)
    assert loaded.calibration is not None
    assert loaded.metadata["name"] == "m"
    assert stored_dtype(path) == dtype
    assert main([str(tmp_path / "none.safetensors"), *options]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_readout_can_be_made_anew_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(labelled, "SIDES", (16,))
    monkeypatch.setattr(fitting, "_STEPS", 20)
    path = tmp_path / "m.safetensors"
    model = small_calibrated()
    save_checkpoint(model, path)
    options = ["--data", str(PHOTOS), "--cache", str(tmp_path / "cache"), "--samples", "64"]
    assert main([str(path), *options, "--readings_only", "--hold_out", "8"]) == 2
    assert "all 8 photographs are held out" in capsys.readouterr().err
    options += ["--readings_only", "--hold_out", "2"]
    assert main([str(path), *options]) == 0
    before, after = model.calibration, load_student(path).calibration
    assert before is not None
    assert after is not None
    for name in ("means", "centre", "scale", "axes", "whitening", "quantiles"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    assert not torch.equal(before.out_weight, after.out_weight)
    save_checkpoint(replace_calibration(model), path)
    assert main([str(path), *options]) == 2
    assert "train/calibrate.py" in capsys.readouterr().err


def test_half_of_the_jpegs_are_files(photographs: ImageCache) -> None:
    gt = CropSampler(photographs, 5).batch(1, range(12), 128, CPU)
    general = GeneralDegradation(GeneralOptions(noisy=0, compressed=1), 4)
    drawn = general.sample(3, 0, range(12))
    real, simulated = labelled.degrade(general, gt, drawn), general.apply(gt, drawn)
    clean = general.apply(gt, replace(drawn, quality=torch.zeros(12)))
    same = (real == simulated).flatten(1).all(1)
    assert same.tolist() == [seed % 6 >= 3 for seed in drawn.seeds]
    assert 0 < same.sum() < 12
    assert not (real == clean).flatten(1).all(1).any(), "all were compressed"


def replace_calibration(model: KDSR) -> KDSR:
    model.calibration = None
    return model


def test_the_range_is_that_of_the_files_recipe() -> None:
    assert isinstance(trained_on({}, 4), GeneralDegradation)
    recipe = '{"degradation.kind": "classic", "degradation.classic.max_noise": 7.0}'
    classic = trained_on({"recipe": recipe}, 4)
    assert isinstance(classic, ClassicDegradation)
    assert classic.options.max_noise == 7.0
    recipe = (
        '{"degradation.kind": "realworld",'
        ' "degradation.realworld.first.resize_probability": [0.1, 0.8, 0.1]}'
    )
    real = trained_on({"recipe": recipe}, 4)
    assert isinstance(real, RealWorldDegradation)
    assert real.options.first.resize_probability == (0.1, 0.8, 0.1)
    assert real.options == replace(real.options)
