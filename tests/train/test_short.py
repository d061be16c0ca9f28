"""Minutes on a rented card, tried on a CPU with a tiny network: a pack, a plan, a run."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kdsr
from kdsr.errors import ConfigError
from tests.support.train_runs import PHOTOS, log_lines, tiny_recipe
from train.pack import main as pack_main
from train.pack import pack
from train.recipes.options import TrainOptions
from train.recipes.reading import read_options
from train.recipes.stages import StageOptions
from train.run import train
from train.short import main, shared_out, with_steps


def test_a_pack_holds_the_best_crops_and_no_more_than_fits(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    rng = np.random.default_rng(0)
    pixels = np.full((64, 128, 3), 128, np.uint8)
    pixels[:, 64:] = rng.integers(0, 256, (64, 64, 3))  # the right half alone has detail
    Image.fromarray(pixels).save(source / "a.png")
    Image.fromarray(pixels[:, ::-1].copy()).save(source / "b.png")
    count, size = pack(source, tmp_path / "all", 1.0, 64)
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert names == ["0000-00.avif", "0000-01.avif", "0001-00.avif", "0001-01.avif"]
    assert (count, size) == (4, sum(p.stat().st_size for p in (tmp_path / "all").iterdir()))
    with Image.open(tmp_path / "all" / "0001-00.avif") as best:
        assert np.asarray(best.convert("RGB")).std() > 40
    largest = (tmp_path / "all" / "0000-00.avif").stat().st_size
    assert pack(source, tmp_path / "few", 1.5 * largest / 2**20, 64) == (1, largest)
    assert pack_main([str(source), str(tmp_path / "few")]) == 2
    assert pack_main([str(source), str(tmp_path / "none"), "--side", "100"]) == 2


def test_the_time_is_shared_out_and_a_plan_sets_the_steps() -> None:
    assert shared_out(60, {"student": 0.1, "gan": 0.3}) == {"student": 300, "gan": 100}
    with pytest.raises(ConfigError, match="no time is left for a step of gan"):
        shared_out(1, {"student": 0.1, "gan": 0.6})
    options = TrainOptions(student=StageOptions(warmup=200), gan=StageOptions(warmup=3))
    planned = with_steps(options, {"control": 300, "gan": 100})
    assert (planned.student.steps, planned.student.warmup) == (300, 30)
    assert (planned.gan.steps, planned.gan.warmup) == (100, 3)
    assert dataclasses.replace(planned, student=options.student, gan=options.gan) == options


def test_the_recipe_of_a_short_run_is_size_b_without_a_teacher() -> None:
    options = read_options(["short", "--data", "pack", "--perceptual", "vgg16.pth"])
    assert options.network() == kdsr.KDSRConfig(4, 64, 16, 2)
    assert not any(options.for_stage(name).distils for name in options.chain())


def test_a_short_run_measures_its_steps_and_leaves_a_model_and_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = tmp_path / "pack"
    pack(PHOTOS, crops, 0.2, 64)
    recipe = tiny_recipe(
        tmp_path, stages=["student", "gan"], from_teacher=False, patch=16, shard_mib=1, hold_out=1,
        save_every=3, student={"steps": 1, "kd_weight": 0.0}, name="tiny-short",
        gan={"steps": 1, "kd_weight": 0.0, "perceptual_weight": 0.0, "gan_weight": 0.1},
    )  # fmt: skip
    asked = []

    def few(seconds: float, costs: dict[str, float]) -> dict[str, int]:
        asked.append((seconds, costs))
        return {"student": 6, "gan": 4}

    monkeypatch.setattr("train.short.shared_out", few)
    monkeypatch.setattr("train.short._MOST", 2)
    out = tmp_path / "short"
    command = [str(crops), str(out), "--minutes", "5", "--recipe", recipe]
    assert main(command) == 0
    ((seconds, costs),) = asked
    assert 0 < seconds < 0.94 * 300, "some is spent already, and some is spared for the end"
    assert all(0 < cost < 100 for cost in costs.values())
    assert list(costs) == ["student", "gan"]
    assert "of 5.00 minutes" in capsys.readouterr().out
    last = {line["stage"]: line["step"] for line in log_lines(out)}
    assert last == json.loads((out / "plan.json").read_text()) == {"student": 6, "gan": 4}
    assert kdsr.load(out / "tiny-short.safetensors").metadata["stage"] == "gan"
    manifest = json.loads(max((out / "checkpoints").glob("student-*.json")).read_text())
    assert all((out / "checkpoints" / shard["name"]).is_file() for shard in manifest["shards"])
    assert main(command) == 0
    assert len(asked) == 1, "it goes on by the plan that it began with"


def test_a_short_run_ends_where_the_card_is_slower_than_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(
        tmp_path, stages=["student"], from_teacher=False, patch=16, name="tiny-short",
        student={"steps": 1, "kd_weight": 0.0},
    )  # fmt: skip
    monkeypatch.setattr("train.short.step_costs", lambda *_: {"student": 1e-6})
    limits = []

    def brief(options: TrainOptions) -> int:
        limits.append(options.time_limit)
        return train(dataclasses.replace(options, time_limit=1e-3))

    monkeypatch.setattr("train.short.train", brief)
    out = tmp_path / "short"
    assert main([str(PHOTOS), str(out), "--minutes", "9", "--recipe", recipe]) == 0
    assert 8 < limits[0] < 0.97 * 9, "the end is spared"
    assert json.loads((out / "plan.json").read_text())["student"] > 1e6
    assert kdsr.load(out / "tiny-short.safetensors").metadata["stage"] == "student"


def test_a_short_run_distils_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tiny_recipe(tmp_path)
    assert main([str(PHOTOS), str(tmp_path / "out"), "--minutes", "1", "--recipe", recipe]) == 2
    assert "a short run has no teacher" in capsys.readouterr().err
