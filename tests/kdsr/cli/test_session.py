import hashlib
import json
from pathlib import Path

import pytest
import torch

import kdsr
from kdsr import IDR, KDSR
from kdsr.cli import main
from kdsr.files import catalog
from kdsr.files.images import read_image
from kdsr.files.weights import save_checkpoint
from kdsr.options import DEFAULT_MODEL, Size, Tiling
from kdsr.upscaling.upscaler import Upscaler
from tests.conftest import make_tiny
from tests.support.pictures import save_noise
from tests.support.places import GOLDEN


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, KDSR]:
    """Tiny models in place of the bundled ones, by factor; the current folder is an empty one."""
    weights, entries, made = tmp_path / "weights", [], {}
    for folder in (weights, tmp_path / "weights_x1"):
        folder.mkdir()
    for scale, name in ((4, DEFAULT_MODEL), (1, "tiny-x1"), (2, "tiny-x2")):
        made[scale] = make_tiny(scale, seed=scale)
        path = (weights if scale > 1 else tmp_path / "weights_x1") / f"{name}.safetensors"
        save_checkpoint(made[scale], path)
        entries.append({
            "name": name, "repo": None, "file": path.name, "revision": None, "licence": "none",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "scale": scale,
            "purpose": "tests", "degradations": "none", "serves": "faithful",
        })  # fmt: skip
    (tmp_path / "catalog.json").write_text(json.dumps(entries))
    monkeypatch.setattr(catalog, "CATALOG", tmp_path / "catalog.json")
    monkeypatch.setattr(catalog, "WEIGHTS", weights)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return made


def save(name: str, height: int = 9, width: int = 12, channels: int = 3) -> torch.Tensor:
    """Writes a picture; returns it, (1, channels, H, W)."""
    return result(str(save_noise(Path(name), height, width, channels, seed=height * width)))


def result(name: str) -> torch.Tensor:
    return read_image(Path(name)).rgb


def sized(model: KDSR, lq: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Upscaled to (width, height)."""
    return Upscaler(model, Tiling(dtype="fp32")).upscale(lq, size=Size(*size))


def upscale(*arguments: str) -> int:
    return main(["upscale", *arguments, "--dtype", "fp32"])


@pytest.mark.parametrize(
    ("wish", "factor", "size"),
    [
        ((), 4, (48, 36)), (("--scale", "4"), 4, (48, 36)), (("--scale", "2"), 2, (24, 18)),
        (("--size", "2x"), 2, (24, 18)), (("--scale", "x1"), 1, (12, 9)),
        (("--size", "18w"), 2, (18, 14)), (("--size", "18h"), 2, (24, 18)),
        (("--size", "0.001MP"), 4, (37, 27)), (("--size", "10x5"), 1, (7, 5)),
    ],
)  # fmt: skip
def test_the_smallest_factor_that_reaches_a_size_makes_it(
    models: dict[int, KDSR], wish: tuple[str, ...], factor: int, size: tuple[int, int]
) -> None:
    lq = save("a.png")
    assert upscale("a.png", "-o", "b.png", *wish) == 0
    made = result("b.png")
    assert Size.of(made) == Size(*size)
    expected = sized(models[factor], lq, size)
    assert (made - expected).abs().max() <= 0.5 / 255 + 1e-5


def test_beyond_the_largest_factor_a_second_pass_looks_at_what_the_first_has_made(
    models: dict[int, KDSR],
) -> None:
    lq = save("a.png")
    assert upscale("a.png", "-o", "b.png", "--scale", "8", "--save-idr", "i.safetensors") == 0
    expected = models[2].upscale(models[4].upscale(lq, dtype="fp32"), dtype="fp32")
    assert (result("b.png") - expected).abs().max() <= 0.5 / 255 + 1e-5
    kept = IDR.load("i.safetensors")
    kept.check_model(models[4].fingerprint, 8)
    torch.testing.assert_close(kept.idr, models[4].estimate(lq, dtype="fp32").idr)


def test_transparency_goes_through_both_passes(models: dict[int, KDSR]) -> None:
    save("a.png", channels=4)
    assert upscale("a.png", "-o", "b.png", "--scale", "8") == 0
    assert upscale("a.png", "-o", "c.png", "--scale", "1") == 0
    before, large, alone = (read_image(Path(f"{name}.png")).alpha for name in "abc")
    assert before is not None
    assert large is not None
    assert alone is not None
    assert torch.equal(alone, before)
    assert large.shape == (1, 1, 72, 96)
    assert (torch.nn.functional.avg_pool2d(large, 8) - before).abs().mean() < 0.1


def test_pictures_of_one_run_each_get_the_model_that_fits_them(
    models: dict[int, KDSR], capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = save("small.png", 8, 8), save("large.png", 16, 16)
    assert upscale("small.png", "large.png", "-o", "out", "--size", "32w") == 0
    for lq, factor in ((small, 4), (large, 2)):
        name = "small" if lq is small else "large"
        expected = models[factor].upscale(lq, dtype="fp32")
        assert (result(f"out/{name}-kdsr.png") - expected).abs().max() <= 0.5 / 255 + 1e-5
    save("tiny.png", 1, 2)
    assert upscale("tiny.png", "large.png", "-o", "more", "--size", "33w") == 2
    assert "too large: expected at most 16 times" in capsys.readouterr().err
    assert result("more/large-kdsr.png").shape == (1, 3, 33, 33)


def test_a_named_model_is_the_one_that_runs_and_must_reach_the_size(
    models: dict[int, KDSR], capsys: pytest.CaptureFixture[str]
) -> None:
    lq = save("a.png")
    assert upscale("a.png", "-o", "b.png", "--model", DEFAULT_MODEL, "--scale", "2") == 0
    expected = sized(models[4], lq, (24, 18))
    assert (result("b.png") - expected).abs().max() <= 0.5 / 255 + 1e-5
    assert upscale("a.png", "-o", "c.png", "--model", "tiny-x2", "--scale", "5") == 2
    said = capsys.readouterr().err
    assert "a result 5 times the input of 12 x 9 px cannot be made by x2" in said
    assert upscale("a.png", "-o", "c.png", "--model", "tiny-x1", "--scale", "2") == 2
    assert "by x1: expected at most x1" in capsys.readouterr().err
    assert not Path("c.png").exists()


def test_an_idr_without_a_model_is_taken_for_the_default_one_s(
    models: dict[int, KDSR], capsys: pytest.CaptureFixture[str]
) -> None:
    lq = save("a.png")
    models[4].estimate(lq).save("x4.safetensors")
    models[2].estimate(lq).save("x2.safetensors")
    assert upscale("a.png", "-o", "b.png", "--scale", "2", "--idr", "x4.safetensors") == 0
    assert result("b.png").shape == (1, 3, 18, 24)
    assert upscale("a.png", "-o", "c.png", "--scale", "2", "--idr", "x2.safetensors") == 2
    assert "model" in capsys.readouterr().err
    more = ["--idr", "x2.safetensors", "--model", "tiny-x2"]
    assert upscale("a.png", "-o", "c.png", *more) == 0


@pytest.mark.parametrize("wish", ["17", "0", "-2", "two", "nan", ""])
def test_a_scale_that_nothing_makes_is_refused(
    wish: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["upscale", "a.png", f"--scale={wish}"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "at most 16" in said or "expected a factor such as 2" in said


def test_size_and_scale_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["upscale", "a.png", "--scale", "2", "--size", "12MP"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_todays_official_models_reach_beyond_their_factor_in_two_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lq, golden = save("a.png"), GOLDEN / "classic_student_x2.pt"
    assert upscale("a.png", "-o", "b.png", "--model", str(golden), "--scale", "3") == 0
    model = kdsr.load(golden)
    between = sized(model, lq, (18, 14))
    expected = sized(model, between, (36, 27))
    assert (result("b.png") - expected).abs().max() <= 0.5 / 255 + 1e-5
