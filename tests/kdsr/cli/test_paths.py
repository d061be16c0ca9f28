from pathlib import Path

import pytest
from PIL import Image

from kdsr import ImageError
from kdsr.cli import main
from kdsr.cli.upscale import find_inputs, left_to_do, without_results
from kdsr.idr import IDR


def pictures(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        Image.new("RGB", (12, 8), "teal").save(path, "JPEG")
    return paths


def test_folders_give_pictures_under_every_name_that_browsers_give_them(tmp_path: Path) -> None:
    paths = pictures(tmp_path, "a.jpg", "b.jfif", "c.jpe", "d.JPEG")
    assert find_inputs([str(tmp_path)]) == paths


def test_pictures_that_are_not_read_are_said_to_be_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(tmp_path, "a.jpg", "b.heic", "c.HEIC", "d.psd")
    (tmp_path / "notes.txt").touch()
    assert len(find_inputs([str(tmp_path)])) == 1
    assert "3 files of kinds that are not read are passed over (.heic, .psd)" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["photos [2019]", "a[b", "what*is"])
def test_a_folder_whose_name_looks_like_a_glob_is_a_folder(tmp_path: Path, name: str) -> None:
    paths = pictures(tmp_path / name / "deep", "a.jpg", "b.jpg")
    for pattern in ("deep/*.jpg", "**/*.jpg", "deep/[ab].jpg"):
        assert find_inputs([str(tmp_path / name / pattern)]) == paths
    with pytest.raises(ImageError, match="no file matches"):
        find_inputs([str(tmp_path / name / "*.png")])


def test_results_of_a_first_run_are_no_inputs_of_a_second(tmp_path: Path) -> None:
    a, b, result = (tmp_path / name for name in ("a.png", "b.png", "a-kdsr.png"))
    targets = {path: tmp_path / f"{path.stem}-kdsr.png" for path in (a, b, result)}
    assert list(without_results(targets)) == [a, b]
    itself = {a: a, b: b}
    assert without_results(itself) == itself, "that is refused elsewhere"


def test_what_is_done_is_skipped_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = {tmp_path / name: tmp_path / "out" / name for name in ("a.png", "b.png")}
    assert left_to_do(targets, overwrite=False) == targets
    pictures(tmp_path / "out", "a.png")
    assert list(left_to_do(targets, overwrite=False)) == [tmp_path / "b.png"]
    assert "1 of 2 results exist; --overwrite makes them anew" in capsys.readouterr().err
    assert left_to_do(targets, overwrite=True) == targets


def test_the_same_folder_twice_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(tmp_path, "a.jpg", "b.jpg")
    command = ["upscale", str(tmp_path), "--dtype", "fp32"]
    assert main(command) == 0
    made = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(made) == 4
    capsys.readouterr()
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == made
    assert "2 of 2 results exist" in capsys.readouterr().err


def test_one_damaged_input_leaves_the_idrs_of_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = pictures(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "c.jpg").write_bytes(b"broken")
    out = tmp_path / "x.safetensors"
    assert main(["estimate", str(a), str(tmp_path / "c.jpg"), str(b), "-o", str(out)]) == 2
    assert len(IDR.load(out)) == 2
    said = capsys.readouterr()
    assert f"saved {out} of 2 of 3 images" in said.out
    assert "c.jpg" in said.err
