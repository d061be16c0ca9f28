import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.pairs import make_pairs
from tests.support.train_runs import PHOTOS, tiny_recipe
from train.data.image_files import read_rgb
from train.degradation.resize import resize_bicubic
from train.loop.training_data import open_data
from train.loop.validation import PairSet, Validation, validation_sets
from train.measuring.metrics import psnr_y
from train.measuring.perceptual import PIQ, perceptual_measures
from train.recipes.options import TrainOptions
from train.recipes.reading import read_options

CPU = torch.device("cpu")


class Bicubic:
    """A stage whose model is bicubic interpolation."""

    def upscale(self, model: object, lq: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
        del model
        return resize_bicubic(lq, (gt.shape[2], gt.shape[3]))


def options_of(folder: Path, *more: str) -> TrainOptions:
    gt, lq = folder / "GT", folder / "LQ"
    if not gt.exists():
        make_pairs(folder, side=160)
    return read_options([tiny_recipe(folder, hold_out=1, data=str(gt)), "--lq", str(lq), *more])


def names(options: TrainOptions) -> list[str]:
    data = open_data(options)
    return list(validation_sets(options, data.held_out, data.held_out_pairs))


def test_what_is_measured_on_can_be_chosen(tmp_path: Path) -> None:
    assert names(options_of(tmp_path)) == ["held_out", "pairs"]
    assert names(options_of(tmp_path, "--validate_on", "[pairs]")) == ["pairs"]
    assert names(options_of(tmp_path, "--validate_on", "pairs")) == ["pairs"]
    assert names(options_of(tmp_path, "--validate_on", "realworld")) == ["held_out_realworld"]
    asked = options_of(tmp_path, "--validate_on", "[realworld, own]", "--validate", f"[{PHOTOS}]")
    assert names(asked) == ["photos", "held_out_realworld", "held_out"]
    assert names(options_of(tmp_path, "--lq", "null")) == ["held_out"]


def test_other_draws_are_those_of_their_pipeline(tmp_path: Path) -> None:
    options = options_of(tmp_path, "--validate_on", "[realworld, own]")
    data = open_data(options)
    sets = validation_sets(options, data.held_out, None)
    (hard, _), (own, gt) = (next(chosen.pairs(CPU)) for chosen in sets.values())
    image = data.held_out.image(0)
    assert torch.equal((gt[0] * 255).round().byte().permute(1, 2, 0), image)
    drawn = options.degradation.build(4).sample(1_000_003, 0, [0])
    assert torch.equal(own, options.degradation.build(4).apply(gt, drawn))
    assert (hard - own).abs().mean() > 0.01


def test_held_out_pairs_are_measured_on_their_middles_and_never_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.loop.validation._SIDE", 100)
    data = open_data(options_of(tmp_path))
    assert data.pairs is not None
    assert data.held_out_pairs is not None
    (held,) = data.held_out_pairs.names
    assert held not in data.pairs.names
    assert held not in [entry.name for entry in data.photographs.index]
    ((lq, gt),) = PairSet(data.held_out_pairs).pairs(CPU)
    whole_gt, whole_lq = read_rgb(tmp_path / "GT" / held), data.held_out_pairs.lq.image(0).numpy()
    # LQ is 40 px a side, of which 25 are taken: from 7, and so from 28 of the GT's 160.
    expected = (whole_lq[7:32, 7:32], whole_gt[28:128, 28:128])
    for image, pixels in zip((lq, gt), expected, strict=True):
        assert np.array_equal((image[0] * 255).round().byte().permute(1, 2, 0).numpy(), pixels)


def test_numbers_are_means_over_a_set_with_bicubic_beside_them(tmp_path: Path) -> None:
    options = options_of(tmp_path, "--hold_out", "2")
    data = open_data(options)
    sets = validation_sets(options, data.held_out, data.held_out_pairs)
    calls: list[float] = []

    def brightness(sr: torch.Tensor, gt: torch.Tensor) -> float:
        calls.append(float(sr.mean() - gt.mean()))
        return calls[-1]

    validation = Validation(sets, 4, CPU, {"mdsi": brightness})
    numbers = validation.measure(Bicubic(), torch.nn.Identity())  # pyright: ignore[reportArgumentType]
    expected = [
        psnr_y(resize_bicubic(lq, (gt.shape[2], gt.shape[3])), gt, 4).item()
        for lq, gt in sets["pairs"].pairs(CPU)
    ]
    assert len(expected) == 2
    assert numbers["psnr_y_pairs"] == pytest.approx(sum(expected) / 2)
    assert numbers["bicubic_psnr_y_pairs"] == numbers["psnr_y_pairs"]
    assert numbers["mdsi_pairs"] == pytest.approx(sum(calls[2:]) / 2)
    again = validation.measure(Bicubic(), torch.nn.Identity())  # pyright: ignore[reportArgumentType]
    assert again == numbers


def test_piq_is_asked_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("piq")
    fake.__spec__ = types.SimpleNamespace()  # pyright: ignore[reportAttributeAccessIssue]
    fake.haarpsi = lambda sr, gt: (sr - gt).abs().max()  # pyright: ignore[reportAttributeAccessIssue]
    for name in PIQ[1:]:
        setattr(fake, name, lambda sr, gt: (sr * 0).sum())
    monkeypatch.setitem(sys.modules, "piq", fake)
    measures = perceptual_measures(None, CPU)
    assert list(measures) == list(PIQ)
    gt = torch.full((1, 3, 8, 8), 0.9)
    assert measures["haarpsi"](gt + 1, gt) == pytest.approx(0.1), "SR is clamped first"


def test_the_fingerprint_of_a_run_tells_with_pairs_from_without(tmp_path: Path) -> None:
    plain = open_data(options_of(tmp_path, "--lq", "null"))
    assert open_data(options_of(tmp_path)).fingerprint.startswith(f"{plain.fingerprint}+")
    assert plain.fingerprint == plain.photographs.fingerprint
