import json
import math
from pathlib import Path

import pytest
from torch import nn

from kdsr.errors import ConfigError
from kdsr.files.weights import read_tensors
from tests.support.train_runs import log_lines, same_tensors, tiny_recipe
from train.errors import TrainingError
from train.loop.best import BestWeights
from train.recipes.options import TrainOptions
from train.run import main


def model(value: float) -> nn.Module:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def kept(best: BestWeights) -> float:
    return best.kept["model"]["weight"].item()


def test_the_highest_psnr_and_the_lowest_distance_are_kept() -> None:
    values = [2.0, 5.0, 3.0, math.nan, 4.0]
    for number, expected in (("psnr_y_pairs", 5.0), ("squeezenet_pairs", 2.0), ("l1_pairs", 2.0)):
        best = BestWeights(number)
        for step, value in enumerate(values):
            best.look(step, 0.0, {number: value}, model(value))
        assert kept(best) == best.kept["metrics"][number] == expected


def test_what_is_kept_does_not_change_with_the_model() -> None:
    best, trained = BestWeights("l1_x"), model(1.0)
    best.look(3, 7.5, {"l1_x": 0.5}, trained)
    nn.init.constant_(trained.get_parameter("weight"), 9.0)
    assert (kept(best), best.kept["step"], best.kept["seconds"]) == (1.0, 3, 7.5)


def test_patience_counts_validations_without_a_better_one_through_a_resume() -> None:
    best = BestWeights("l1_x", patience=2)
    for value in (3.0, 2.0, 2.0):
        best.look(0, 0.0, {"l1_x": value}, model(value))
    assert not best.exhausted
    resumed = BestWeights("l1_x", patience=2)
    resumed.load(best.state())
    resumed.look(0, 0.0, {"l1_x": 2.5}, model(2.5))
    assert resumed.exhausted
    assert kept(resumed) == 2.0
    assert not BestWeights("l1_x").exhausted


def test_without_a_number_nothing_is_kept() -> None:
    best = BestWeights(None)
    best.look(3, 7.5, {"l1_x": 0.5}, model(1.0))
    assert not best.kept


def test_a_measure_means_pairs_then_held_out_images_then_any_set() -> None:
    metrics = {"psnr_y_Set5": 1.0, "psnr_y_held_out": 2.0, "psnr_y_pairs": 3.0}
    for gone, expected in (("", 3.0), ("psnr_y_pairs", 2.0), ("psnr_y_held_out", 1.0)):
        metrics.pop(gone, None)
        best = BestWeights("psnr_y")
        best.look(0, 0.0, metrics, model(0.0))
        assert best.kept["metrics"][best._number(metrics)] == expected
    with pytest.raises(TrainingError, match="best l1 was not measured; choose one of psnr_y_Set5"):
        BestWeights("l1").look(0, 0.0, metrics, model(0.0))


def test_numbers_that_nothing_measures_are_refused_before_a_run() -> None:
    with pytest.raises(ConfigError, match=r"best must be one of psnr_y.*got 'ssim'"):
        TrainOptions(best="ssim")
    with pytest.raises(ConfigError, match="patience needs a measure"):
        TrainOptions(patience=3)
    with pytest.raises(ConfigError, match="best psnr_y needs validation images"):
        TrainOptions(best="psnr_y")
    with pytest.raises(ConfigError, match="best vgg19 needs the weights of that network"):
        TrainOptions(best="vgg19", hold_out=3)


def test_the_best_weights_are_exported_and_a_run_that_no_longer_improves_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The network gets worse at this learning rate: the first validation is the best one."""
    recipe = tiny_recipe(
        tmp_path, hold_out=2, validate_every=1, best="psnr_y", patience=2, ema=0.0, clip=1e9,
        teacher={"steps": 50, "warmup": 0, "lr": 0.5},
    )  # fmt: skip
    assert main([recipe, "--stage", "teacher"]) == 0
    run = tmp_path / "run"
    lines = log_lines(run)
    numbers = {line["step"]: line["psnr_y_held_out"] for line in lines if "l1_held_out" in line}
    step = max(numbers, key=numbers.__getitem__)
    assert len(numbers) == step + 2 < 50, "two validations without a better one"
    assert f"are those of step {step} of {step + 2}, after 2 val" in capsys.readouterr().out
    tensors, metadata = read_tensors(run / "teacher.safetensors")
    assert metadata["steps"] == str(step)
    assert json.loads(metadata["metrics"])["psnr_y_held_out"] == round(numbers[step], 4)
    assert metadata["chosen_by"] == f"by psnr_y of {step + 2} steps"
    assert main([recipe, "--stage", "teacher"]) == 0, "what has ended stays ended"
    again = read_tensors(run / "teacher.safetensors")[0]
    assert same_tensors(tensors, again)
    assert (run / "log.jsonl").read_text().count('"l1_held_out"') == step + 2
