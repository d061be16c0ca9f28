import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from kdsr import KDSR
from kdsr.files.weights import save_checkpoint
from tests.conftest import ROOT, make_tiny
from tests.support.places import PHOTOS
from tests.train.losses.test_lpips import alexnet_state, heads_state
from train.data.cache import open_cache
from train.degradation.resize import resize_bicubic
from train.evaluate import main
from train.losses.lpips import LPIPS
from train.measuring.evaluation import (
    Row,
    averages,
    choose_idrs,
    evaluate_model,
    to_csv,
    to_markdown,
)
from train.measuring.metrics import colour_shift, psnr_y
from train.measuring.pairs import degraded_pairs, real_pairs
from train.measuring.protocols import protocol


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    for path in sorted((ROOT / "samples" / "photos").glob("*.jpg"))[:2]:
        with Image.open(path) as image:
            image.crop((50, 50, 147, 130)).save(folder / f"{path.stem}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "scale", "count"),
    [
        ("gaussian8", 2, 8), ("gaussian8", 3, 8), ("gaussian8", 4, 8), ("iso4", 2, 4),
        ("iso4", 3, 4), ("iso4", 4, 4), ("aniso9", 4, 27), ("aniso9-kdsr", 4, 27),
        ("general", 4, 4), ("realworld", 4, 4), ("realworld", 2, 4),
    ],
)  # fmt: skip
def test_protocols_have_their_published_number_of_cases(name: str, scale: int, count: int) -> None:
    cases = protocol(name, scale)
    assert len({case.name for case in cases}) == count


def test_gaussian8_uses_the_papers_sigmas() -> None:
    names = [case.name for case in protocol("gaussian8", 4)]
    assert names == [f"sigma {s:.2f}" for s in (1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2)]


@pytest.mark.parametrize(
    ("scale", "widths"),
    [(2, (0, 0.6, 1.2, 1.8)), (3, (0, 0.8, 1.6, 2.4)), (4, (0, 1.2, 2.4, 3.6))],
)
def test_iso4_is_dasrs_blur_then_bicubic_then_eight_bit(
    scale: int, widths: tuple[float, ...]
) -> None:
    gt = torch.rand(1, 3, 12 * scale, 15 * scale, generator=torch.Generator().manual_seed(0))
    cases = protocol("iso4", scale)
    assert [case.name for case in cases] == [f"width {width:g}" for width in widths]
    for case, width in zip(cases, widths, strict=True):
        blurred = gt
        if width:
            y, x = np.mgrid[-10:11, -10:11]
            kernel = np.exp(-(x**2 + y**2) / (2 * width**2))
            kernel = torch.from_numpy(kernel / kernel.sum()).float().expand(3, 1, 21, 21)
            padded = F.pad(gt, (10, 10, 10, 10), mode="reflect")
            blurred = F.conv2d(padded, kernel, groups=3)
        expected = (resize_bicubic(blurred, (12, 15)) * 255).round().clamp(0, 255)
        difference = (case.degrade(gt, 0) * 255 - expected).abs()
        assert difference.max() < 1.01, "one step, where a sum lies on the edge of two"
        assert (difference > 0.5).float().mean() < 0.01


def test_rows_measure_what_the_model_makes(tiny: KDSR, folder: Path) -> None:
    pairs = list(degraded_pairs(folder, protocol("gaussian8", 4)[:2], 4))
    rows = evaluate_model(tiny, pairs)
    assert [(row.image, row.case) for row in rows] == [(p.image, p.case) for p in pairs]
    assert pairs[0].gt.shape == (1, 3, 80, 96)
    expected = psnr_y(tiny.upscale(pairs[0].lq, dtype="fp32"), pairs[0].gt, 4).item()
    assert rows[0].numbers["psnr"] == pytest.approx(expected, abs=1e-3)
    assert averages(rows)["all"].numbers["psnr"] == pytest.approx(
        np.mean([row.numbers["psnr"] for row in rows])
    )


def test_a_picture_left_as_it_is_does_not_make_the_mean_infinite() -> None:
    rows = [Row("a", "draw", {"psnr": x, "bicubic_psnr": y}) for x, y in ((30, math.inf), (40, 20))]
    assert averages(rows)["all"].numbers == {"psnr": 35, "bicubic_psnr": 20}
    assert averages(rows[:1])["all"].numbers["bicubic_psnr"] == math.inf


def test_the_bundled_model_beats_bicubic_and_needs_its_own_idr(bundled: KDSR, folder: Path) -> None:
    pairs = list(degraded_pairs(folder, protocol("gaussian8", 4)[::7], 4))
    own, wrong = (
        averages(evaluate_model(bundled, pairs, idr=idr))["all"].numbers for idr in ("own", "wrong")
    )
    assert own["psnr"] > own["bicubic_psnr"] + 1
    assert own["psnr"] > wrong["psnr"]


def test_mean_and_wrong_idrs_are_what_they_say(tiny: KDSR, folder: Path) -> None:
    pairs = list(degraded_pairs(folder, protocol("gaussian8", 4)[::7], 4))
    own = choose_idrs(tiny, pairs, "own", "fp32")
    wrong = choose_idrs(tiny, pairs, "wrong", "fp32")
    mean = choose_idrs(tiny, pairs, "mean", "fp32")
    assert [torch.equal(wrong[i].idr, own[j].idr) for i, j in enumerate((1, 0, 3, 2))] == [True] * 4
    torch.testing.assert_close(mean[0].idr, torch.stack([i.idr for i in own]).mean(0))


def test_the_command_writes_a_table_and_a_row_per_image(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(make_tiny(), tmp_path / "tiny.safetensors")
    arguments = ["--model", str(tmp_path / "tiny.safetensors"), "--set", str(folder)]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--protocol", "general"]) == 0
    stem = f"tiny-{folder.name}-general"
    table = (tmp_path / "out" / f"{stem}.md").read_text()
    assert "| all |" in table
    with (tmp_path / "out" / f"{stem}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4
    assert list(rows[0]) == [
        "image", "case", "psnr", "ssim", "colour", "bicubic_psnr", "bicubic_ssim",
    ]  # fmt: skip


def test_only_what_a_training_held_out_is_measured(tmp_path: Path) -> None:
    cache = open_cache(PHOTOS, tmp_path)
    held_out = {entry.name for entry in cache.split(3)[1].index}
    pairs = degraded_pairs(PHOTOS, protocol("general", 4)[:1], 4, hold_out=3)
    assert {pair.image for pair in pairs} == held_out
    assert len(held_out) == 3


def test_real_pairs_are_matched_by_name_and_size(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gt, lq = tmp_path / "gt", tmp_path / "lq"
    gt.mkdir()
    lq.mkdir()
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            cropped = image.crop((0, 0, 96, 80))
            cropped.save(gt / path.name)
            cropped.resize((24, 20)).save(lq / path.name)
    assert [pair.lq.shape for pair in real_pairs(gt, lq, 4)] == [(1, 3, 20, 24)] * 2
    next(lq.glob("*.png")).unlink()
    arguments = ["--model", "kdsr-s-x4", "--set", str(gt), "--protocol", "pairs"]
    assert main([*arguments, "--lq", str(lq)]) == 2
    assert "has no LQ partner" in capsys.readouterr().err
    assert main(arguments) == 2
    assert "needs --lq" in capsys.readouterr().err


def test_what_else_is_asked_for_is_measured_of_both(tiny: KDSR, folder: Path) -> None:
    lpips = LPIPS(alexnet_state(), heads_state())
    pairs = list(degraded_pairs(folder, protocol("gaussian8", 4)[:1], 4))[:1]
    rows = evaluate_model(tiny, pairs, measures={"lpips": lambda sr, gt: lpips(sr, gt).item()})
    expected = lpips(resize_bicubic(pairs[0].lq, (80, 96)), pairs[0].gt).item()
    assert rows[0].numbers["bicubic_lpips"] == pytest.approx(expected)
    assert "LPIPS | colour | bicubic PSNR-Y" in to_markdown(rows)
    assert to_csv(rows).startswith("image,case,psnr,ssim,lpips,colour,bicubic_psnr,bicubic_ssim,bi")
    assert "LPIPS" not in to_markdown(evaluate_model(tiny, pairs))


def test_the_shift_of_colour_is_that_of_the_channel_that_moved_most() -> None:
    lq = torch.rand(2, 3, 8, 8)
    moved = lq.repeat_interleave(4, 2).repeat_interleave(4, 3)
    moved = moved + torch.tensor([0.001, -0.01, 0.002]).view(3, 1, 1)
    assert colour_shift(moved, lq).tolist() == pytest.approx([2.55, 2.55], abs=1e-4)


def test_other_programs_are_measured_on_the_same_pairs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--set", str(folder), "--protocol", "realworld"]
    assert main(["--save_pairs", str(tmp_path), *arguments]) == 0
    assert capsys.readouterr().out == f"8 pairs in {tmp_path}\n"
    (tmp_path / "sr").mkdir()
    for path in (tmp_path / "lq").iterdir():
        with Image.open(path) as image:
            image.resize((96, 80), Image.Resampling.NEAREST).save(tmp_path / "sr" / path.name)
    pairs = ["--set", str(tmp_path / "gt"), "--lq", str(tmp_path / "lq"), "--protocol", "pairs"]
    assert main(["--sr", str(tmp_path / "sr"), *pairs]) == 0
    nearest = capsys.readouterr().out.splitlines()[-1].split("|")[2:]
    assert main(["--model", "kdsr-s-x4", *arguments]) == 0
    drawn = capsys.readouterr().out.splitlines()[-1].split("|")[2:]
    # Bicubic: of the files and of the pairs that they were written from.
    assert [float(x) for x in nearest[3:5]] == pytest.approx([float(x) for x in drawn[3:5]])
    assert float(nearest[0]) < float(nearest[3])
    assert float(nearest[2]) < 0.01, "repeating pixels moves no colour"
    next((tmp_path / "sr").iterdir()).unlink()
    assert main(["--sr", str(tmp_path / "sr"), *pairs]) == 2
    assert "is missing in" in capsys.readouterr().err
    assert main(["--sr", str(tmp_path / "sr"), *arguments]) == 2
    assert "--save_pairs" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_explained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "kdsr-s-x4", "--set", str(folder), "--device", "vulcan"]
    assert main(arguments) == 2
    assert "got 'vulcan'" in capsys.readouterr().err
