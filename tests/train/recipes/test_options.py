from pathlib import Path

import pytest
import torch
import yaml

from kdsr.errors import ConfigError
from train.recipes.options import TrainOptions
from train.recipes.reading import RECIPES, read_options, recipe_names, write_options
from train.recipes.stages import StageOptions


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid_and_states_its_command_cost_and_table(name: str) -> None:
    extra = ["--perceptual", "vgg19.pth"] if name in ("gan", "short") else []
    options = read_options([name, "--data", "photos", *extra])
    assert options.data == Path("photos")
    header = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"python train/run.py {name}" in header
    assert "# Cost:" in header
    assert "# Reproduces:" in header


def test_the_command_line_overrides_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("size: m\nbatch: 4\nstudent:\n  steps: 7\n  lr: 2.0e-4\n")
    options = read_options([str(recipe), "--student.steps=9", "--size", "l", "--time-limit", "3"])
    assert (options.size, options.batch, options.time_limit) == ("l", 4, 3.0)
    assert (options.student.steps, options.student.lr) == (9, 2e-4)
    assert options.student.kd_weight == TrainOptions().student.kd_weight


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(
            ["general", "stray", "--sizes", "m", "--batch", "many", "--student.lr", "-1",
             "--degradation.general.sharp", "7", "--n_feats", "0", "--ema", "1",
             "--gan.shrink", "0", "--gan.discriminator_lr", "0"]
        )  # fmt: skip
    message = str(caught.value)
    for part in (
        "unexpected 'stray'", "unknown option sizes; is it size?", "batch: Expected", "many",
        "student.final_lr must be 0 to lr", "general: sharp must be 0 to 1, got 7",
        "n_feats must be an integer from 1 to 1024, got 0", "ema must be at least 0",
        "gan.shrink must be at least 1", "gan.discriminator_lr must be more than 0",
    ):  # fmt: skip
        assert part in message


def test_unknown_keys_in_a_recipe_are_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "typo.yaml"
    recipe.write_text("teacher:\n  step: 3\n")
    with pytest.raises(ConfigError, match=r"unknown option teacher\.step; is it teacher\.steps"):
        read_options([str(recipe)])


@pytest.mark.parametrize(
    ("content", "message"),
    [("- a\n- b\n", "expected keys and values, got list"), ("a: [", "is not YAML")],
)
def test_a_recipe_that_is_none_is_refused(tmp_path: Path, content: str, message: str) -> None:
    recipe = tmp_path / "bad.yaml"
    recipe.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_options([str(recipe)])


def test_a_missing_recipe_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'clasic'; expected one of .*classic_iso"):
        read_options(["clasic"])


def test_saved_options_read_back_as_the_same_options(tmp_path: Path) -> None:
    options = read_options(
        ["classic_iso", "--data", "a b", "--validate", "[x,y]", "--student.kd_weight", "0.125"]
    )
    write_options(options, tmp_path / "run" / "options.yaml")
    assert read_options([str(tmp_path / "run" / "options.yaml")]) == options
    assert yaml.safe_load((tmp_path / "run" / "options.yaml").read_text())["data"] == "a b"


def test_the_control_is_the_student_without_distillation() -> None:
    options = TrainOptions(student=StageOptions(5, kd_weight=0.3, kd_l1_weight=0.1, kd_only=2))
    assert options.for_stage("control") == StageOptions(steps=5, kd_weight=0.0)


def test_the_final_patch_comes_in_the_last_part() -> None:
    options = TrainOptions(
        patch=32, final_patch=64, final_share=0.25, teacher=StageOptions(steps=100)
    )
    assert [options.patch_at("teacher", step) for step in (0, 74, 75, 99)] == [32, 32, 64, 64]


def test_what_may_change_between_sessions_is_not_decisive() -> None:
    first = TrainOptions(data=Path("here"), time_limit=3, threads=1)
    second = TrainOptions(data=Path("there"), time_limit=9, save_every=7)
    assert first.decisive("student") == second.decisive("student")
    assert first.decisive("student") != TrainOptions(batch=8).decisive("student")


def test_the_gan_stage_needs_perceptual_weights_unless_switched_off() -> None:
    with pytest.raises(ConfigError, match="--perceptual"):
        TrainOptions(stage="gan")
    TrainOptions(stage="gan", gan=StageOptions(perceptual_weight=0.0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lpips": ("alexnet.pth",)}, r"lpips takes pairs of files.*got 1"),
        ({"dists": ("a", "b", "c", "d")}, r"dists takes pairs of files.*got 4"),
        ({"stage": "gan", "gan": StageOptions(lpips_weight=1.0)}, "gan.lpips_weight needs weights"),
        ({"stage": "gan", "gan": StageOptions(dists_weight=1.0)}, "gan.dists_weight needs weights"),
        (
            {"stage": "gan", "gan": StageOptions(gan_real="teacher")},
            "gan.gan_real teacher needs pictures",
        ),
        ({"best": "dists_pairs", "hold_out": 2}, "best dists_pairs needs weights"),
    ],
)
def test_lpips_and_dists_need_their_files(given: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainOptions(**given)
    read = read_options(["smoke", "--lpips", "[a.pth,b.pth]", "--dists", "[c.pth, d.pth]"])
    assert read.lpips == (Path("a.pth"), Path("b.pth"))


def test_automatic_precision_follows_what_the_device_multiplies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for has_bf16, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(
            "train.recipes.options.multiplies_bf16", lambda _device, answer=has_bf16: answer
        )
        chosen = TrainOptions().resolved(torch.device("cpu"))
        assert chosen.precision == chosen.decisive("student")["precision"] == expected
        asked = TrainOptions(precision="bf16").resolved(torch.device("cpu"))
        assert asked.precision == "bf16"


def test_pairs_can_only_be_measured_on_where_some_are_held_out() -> None:
    for given in ({"lq": Path("lq")}, {"hold_out": 2}):
        for asked in ("pairs", ("own", "pairs")):
            with pytest.raises(ConfigError, match="validate_on pairs needs held-out pairs"):
                TrainOptions(validate_on=asked, **given)  # pyright: ignore[reportArgumentType]
    TrainOptions(validate_on="pairs", lq=Path("lq"), hold_out=2)
