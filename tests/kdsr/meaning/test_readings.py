"""References, readout, strength, and the file they are kept in."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import kdsr
from kdsr import IDR, KDSR, CheckpointError, ConfigError, IDRError
from kdsr.files.weights import convert, load_checkpoint, read_tensors, save_checkpoint
from kdsr.meaning.readings import LEAST_STRUCTURE, Measured
from kdsr.meaning.references import CLEAN, NAMES
from kdsr.network.models import KEY, PREFIX
from kdsr.options import STRENGTHS
from tests.conftest import make_calibrated, make_tiny
from tests.support.calibrated import calibration_for
from train.measuring.calibration import REFERENCES


@pytest.fixture
def model() -> KDSR:
    return make_calibrated()


def idr_of(model: KDSR, idr_full: torch.Tensor) -> IDR:
    return IDR(model.estimator.compress_idr(idr_full).detach(), idr_full, model.fingerprint)


@pytest.fixture
def idr(model: KDSR) -> IDR:
    torch.manual_seed(1)
    return replace(model.estimate(torch.rand(2, 3, 20, 24)), structure=torch.tensor(torch.inf))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_file_keeps_the_calibration_in_full_precision(
    model: KDSR, tmp_path: Path, dtype: torch.dtype
) -> None:
    assert model.calibration is not None
    model.calibration = calibration_for(model, scale=torch.rand(32) + 1)
    save_checkpoint(model, tmp_path / "a.safetensors", {"name": "a"}, dtype)
    loaded = load_checkpoint(tmp_path / "a.safetensors")
    assert loaded.calibration is not None
    assert loaded.calibration.names == NAMES
    for key, value in vars(model.calibration).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(loaded.calibration, key), value), key
    assert KEY not in loaded.metadata
    assert read_tensors(tmp_path / "a.safetensors")[0]["network.head.weight"].dtype == dtype


def test_the_fingerprint_and_the_official_format_do_not_know_of_it(
    model: KDSR, tmp_path: Path
) -> None:
    assert model.weights_hash() == make_tiny().weights_hash()
    save_checkpoint(model, tmp_path / "a.safetensors")
    convert(tmp_path / "a.safetensors", tmp_path / "a.pt")
    assert load_checkpoint(tmp_path / "a.pt").calibration is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("lose", "another version \\(scale\\)"),
        ("rename", "another version \\(news, scale\\)"),
        ("shorten", "shapes do not belong together"),
        ("unname", "no names in the metadata"),
    ],
)
def test_a_broken_calibration_is_named(
    model: KDSR, tmp_path: Path, change: str, message: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(model, path)
    tensors, metadata = load_file(path), read_tensors(path)[1]
    scale = tensors.pop(PREFIX + "scale")
    if change == "rename":
        tensors[PREFIX + "news"] = scale
    elif change != "lose":
        tensors[PREFIX + "scale"] = scale
    if change == "shorten":
        tensors[PREFIX + "means"] = tensors[PREFIX + "means"][1:].contiguous()
    if change == "unname":
        del metadata[KEY]
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_references_are_idrs_of_the_model(model: KDSR) -> None:
    found = kdsr.references(model)
    assert found.names == NAMES == tuple(REFERENCES)
    assert len(found.idrs) == len(NAMES)
    clean = found[CLEAN]
    clean.check_model(model.fingerprint, model.config.n_feats)
    torch.testing.assert_close(clean.idr, model.estimator.compress_idr(clean.idr_full).detach())
    assert found.nearest(found["heavy noise"]) == ["heavy noise"]
    with pytest.raises(IDRError, match=r"no reference 'foggy'; choose one of clean, "):
        found["foggy"]


def test_a_model_without_a_calibration_says_how_to_make_one(idr: IDR) -> None:
    plain = make_tiny()
    for ask in (kdsr.references, lambda m: kdsr.read(m, idr)):
        with pytest.raises(IDRError, match=r"train/calibrate\.py"):
            ask(plain)
    assert kdsr.with_strength(plain, idr, 1.0) is idr  # needs none


def test_a_readout_is_in_words(model: KDSR, idr: IDR) -> None:
    readings = kdsr.read(model, idr)
    assert len(readings) == 2
    words = "blur 2.0 x 1.0 px ± 0.4, noise 6/255 ± 1, JPEG 45 ± 3; inside the trained range"
    assert [reading.words for reading in readings] == [words, words]
    assert readings[0].noise is not None
    assert readings[0].noise.error == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("bias", "words"),
    [
        ([2.1, 1.9, 6, 45, -1, -1, -1, -1, -5], "blur 2.0 px ± 0.4, noise 6/255 ± 1, no JPEG"),
        ([0.2, 0.1, 0.4, 45, -1, -1, -1, -1, -5], "no blur, no noise, no JPEG"),
        (
            [0.2, 0.1, 0.4, 45, -0.5, -1, 1.2, -1, -5],
            "blur below 0.8 px, noise below 4/255, no JPEG",
        ),
        ([0.2, 0.1, 0.4, 45, -1, -1, -1, 1, 0.5], "no blur, no noise, perhaps JPEG 45 ± 3"),
        ([0.2, 0.1, 0.4, 45, -1, -1, -1, 1, -0.5], "no blur, no noise, perhaps JPEG"),
        ([-3, -3, 600, 700, -1, -1, -1, -1, 5], "no blur, noise 255/255 ± 1, JPEG 100 ± 1"),
    ],
)
def test_words_for_other_images(model: KDSR, idr: IDR, bias: list[float], words: str) -> None:
    model.calibration = calibration_for(model, out_bias=torch.tensor(bias, dtype=torch.float32))
    assert kdsr.read(model, idr)[0].words == f"{words}; inside the trained range"


def test_what_cannot_be_read_reliably_is_not_shown(model: KDSR, idr: IDR) -> None:
    model.calibration = calibration_for(
        model,
        out_bias=torch.tensor([2.0, 1.0, 6.0, 45.0, 0.3, 0.3, 0.0, 1.0, 5.0]),
        jpeg_accuracy=torch.tensor([0.7]),
    )
    reading = kdsr.read(model, idr)[0]
    assert reading.blur_long is reading.blur_short is reading.quality is reading.compressed is None
    assert reading.words == "noise 6/255 ± 1; inside the trained range"
    unsure = torch.tensor([2.0, 1.0, 6.0, 45.0, 9.0, 9.0, 9.0, 9.0, 5.0])
    model.calibration = calibration_for(model, out_bias=unsure)
    assert kdsr.read(model, idr)[0].words == "JPEG; inside the trained range"


@pytest.mark.parametrize("pixels", [0, LEAST_STRUCTURE - 1])
def test_nothing_is_told_of_too_few_pixels_with_structure(
    model: KDSR, idr: IDR, pixels: int
) -> None:
    counts = torch.tensor([float(pixels), float(LEAST_STRUCTURE)])
    nothing, something = kdsr.read(model, replace(idr, structure=counts))
    assert nothing.words == "nothing can be told: the image is too small or too flat"
    assert nothing.blur_long is nothing.noise is nothing.quality is nothing.compressed is None
    assert not nothing.enough
    assert something.enough
    assert something.words.startswith("blur 2.0 x 1.0 px ±")


@pytest.mark.parametrize("image", [torch.rand(1, 3, 1, 1), torch.zeros(1, 3, 300, 300)])
def test_nothing_is_told_of_one_pixel_or_a_black_image(model: KDSR, image: torch.Tensor) -> None:
    assert kdsr.read(model, model.estimate(image))[0].words.startswith("nothing can be told")


def test_the_fewer_pixels_the_larger_the_error(model: KDSR, idr: IDR) -> None:
    counts = torch.tensor([256.0, 64 * 64.0])
    errors = [r.noise.error for r in kdsr.read(model, replace(idr, structure=counts)) if r.noise]
    assert errors == pytest.approx([2.0, 1.25])


def test_errors_are_written_rounded_up() -> None:
    assert Measured(2.04, 0.31).margin == "± 0.4"
    assert Measured(0.0, 0.01, digits=0).margin == "± 1", "nothing is known exactly"
    assert Measured(53.2, 7.0, digits=0).margin == "± 7"


def test_what_lies_outside_of_the_training_is_said(model: KDSR) -> None:
    near, far = torch.zeros(1, 32), torch.zeros(1, 32)
    near[0, 0], far[0, 0] = 4.9, 25
    inside, outside = kdsr.read(model, IDR.cat([idr_of(model, near), idr_of(model, far)]))
    assert inside.inside
    assert inside.percentile == pytest.approx(0.49, abs=0.011)
    assert not outside.inside
    assert outside.excess == pytest.approx(2.5)
    assert outside.percentile == 1
    assert outside.words.endswith("outside of the trained range")


def test_strength_moves_from_the_clean_reference_through_the_estimate(
    model: KDSR, idr: IDR
) -> None:
    clean = kdsr.references(model)[CLEAN]
    torch.testing.assert_close(
        kdsr.with_strength(model, idr, 0.0).idr, clean.idr.expand_as(idr.idr)
    )
    assert kdsr.with_strength(model, idr, 1.0) is idr
    torch.testing.assert_close(
        kdsr.with_strength(model, idr, 1.25).idr, clean.idr + 1.25 * (idr.idr - clean.idr)
    )


@pytest.mark.parametrize("strength", [STRENGTHS[0] - 0.1, STRENGTHS[1] + 0.1, float("nan")])
def test_strengths_out_of_range_are_refused(model: KDSR, idr: IDR, strength: float) -> None:
    with pytest.raises(ConfigError, match=r"strength must be 0 to 1\.25, got "):
        kdsr.with_strength(model, idr, strength)


def test_idrs_of_another_model_are_refused(idr: IDR) -> None:
    other = make_calibrated(seed=5)
    for ask in (lambda: kdsr.read(other, idr), lambda: kdsr.with_strength(other, idr, 0.5)):
        with pytest.raises(IDRError, match=r"another model|estimated by"):
            ask()
