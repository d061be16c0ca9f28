"""Training on pairs of one's own, and looking at pairs before: the command as people run it."""

import json
from pathlib import Path

import pytest
from PIL import Image

import kdsr
from kdsr.files.weights import read_tensors
from tests.support.pairs import make_pairs
from tests.support.train_runs import refused, same_tensors, tiny_recipe
from train.run import main


def test_a_run_on_pairs_that_was_stopped_ends_bit_for_bit_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gt, lq = make_pairs(tmp_path, side=128)
    recipe = tiny_recipe(
        tmp_path, data=str(gt), lq=str(lq), save_every=3, hold_out=1, pair_uses=2,
        stages=["control"], from_teacher=False, lq_share=0.6,
    )  # fmt: skip
    assert main([recipe]) == 0
    assert "2 pairs (" in (shown := capsys.readouterr().out)
    assert "for 60% of the samples, 1 held out" in shown
    path = tmp_path / "run" / "control.safetensors"
    expected, metadata = read_tensors(path)
    assert metadata["pairs"] == "2"
    assert "psnr_y_pairs" in json.loads(metadata["metrics"])
    for file in (tmp_path / "run" / "checkpoints").glob("control-00000006*"):
        file.unlink()
    assert main([recipe]) == 0
    actual = read_tensors(path)[0]
    assert same_tensors(expected, actual)
    assert "lq_share was 0.6, is 0.1" in refused(capsys, recipe, "--lq_share", "0.1")
    assert "the images were" in refused(capsys, recipe, "--lq", "null", "--hold_out", "0")


def test_a_list_of_pairs_is_enough_to_train_a_model_for_people(tmp_path: Path) -> None:
    gt, lq = make_pairs(tmp_path, count=2, side=128)
    listing = tmp_path / "pairs.txt"
    listing.write_text("".join(f"GT/{i}.png\tLQ/{i}.webp\n" for i in range(2)))
    assert (gt, lq) == (tmp_path / "GT", tmp_path / "LQ")
    recipe = tiny_recipe(tmp_path, data=None, lq=str(listing), lq_share=1.0)
    assert main([recipe]) == 0
    path = tmp_path / "run" / "kdsr-s-x4.safetensors"
    assert kdsr.load(path).metadata["pairs"] == "2"
    assert "for\nthe degradations of 2 pairs. Trained" in path.with_suffix(".md").read_text()


def test_all_problems_of_pairs_are_one_line_and_check_data_lists_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gt, lq = make_pairs(tmp_path, side=128)
    (lq / "0.webp").write_bytes(b"no image")
    Image.new("RGB", (8, 8)).save(lq / "1.webp")
    Image.new("RGB", (8, 8)).save(lq / "stray.png")
    recipe = tiny_recipe(tmp_path, data=str(gt), lq=str(lq))
    assert main([recipe]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in ("3 problems of the pairs", "stray.png", "0.webp", "8x8 px, its ground truth 1.p"):
        assert part in error
    assert not (tmp_path / "run").exists()
    assert main([recipe, "--check-data"]) == 1
    listed = capsys.readouterr().out
    for kind in ("stray (1, must be removed)", "broken (1", "size (1"):
        assert kind in listed


def test_pairs_are_shown_with_what_was_drawn_and_nothing_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gt, lq = make_pairs(tmp_path, side=128)
    recipe = tiny_recipe(tmp_path, data=str(gt), lq=str(lq), patch=16)
    words: list[str] = []
    wrap = __import__("textwrap").wrap
    monkeypatch.setattr(
        "train.loop.pictures.textwrap.wrap",
        lambda text, width: words.append(text) or wrap(text, width),
    )
    assert main([recipe, "--show", "9"]) == 0
    path = tmp_path / "run" / "pairs.png"
    assert str(path) in capsys.readouterr().out
    assert len(words) == 9
    assert {word.split()[0] for word in words} >= {"pair", "blur"}
    with Image.open(path) as sheet:  # 4 columns of LQ and GT, 256 px each, three rows
        assert sheet.width == 4 * (2 * 256 + 8) + 8
        assert 3 * 256 < sheet.height < 3 * (256 + 80)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["pairs.png"]
    assert "--show takes a number of pairs, such as 40, got 'none'" in refused(
        capsys, recipe, "--show", "none"
    )
