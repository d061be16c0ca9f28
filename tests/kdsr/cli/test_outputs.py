import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, features
from safetensors.torch import save_file

import kdsr.cli.image_session
from kdsr import IDR, ImageError
from kdsr.cli import main
from kdsr.files.images import check_format
from kdsr.files.weights import save_checkpoint
from kdsr.idr import FORMAT
from kdsr.upscaling.upscaler import Upscaler
from tests.conftest import make_tiny
from tests.support.limits import full_disk
from tests.support.pictures import contents, save_noise
from tests.support.refusal import Refused

MODEL = ["--model", "m.safetensors"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds a.png, b.png, m.safetensors (a tiny model) and i.safetensors (one of its IDRs)."""
    model = make_tiny()
    save_checkpoint(model, tmp_path / "m.safetensors")
    for name in ("a.png", "b.png"):
        save_noise(tmp_path / name, seed=ord(name[0]))
    model.estimate(torch.rand(1, 3, 12, 16)).save(tmp_path / "i.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upscale", "a.png", "-o", "o.gif"], ".png or .jpg"),
        (["upscale", "a.png", "b.png", "-o", "o.gif"], ".png or .jpg"),
        (["upscale", "a.png", "-o", "a.png"], "replace what it is made from"),
        (["upscale", "a.png", "-o", "./new/../a.png"], "replace what it is made from"),
        (["upscale", "a.png", "b.png", "--suffix", ""], "replace what it is made from"),
        (["upscale", "a.png", "-o", "o.png", "--save-idr", "x.png"], "end it in .safetensors"),
        (["upscale", "a.png", "--save-idr", "m.safetensors"], "replace what it is made from"),
        (
            ["upscale", "a.png", "--idr", "i.safetensors", "--save-idr", "i.safetensors"],
            "replace what it is made from",
        ),
        (["estimate", "a.png", "-o", "a.png"], "end it in .safetensors"),
        (["estimate", "a.png", "-o", "m.safetensors"], "replace what it is made from"),
        (["inspect", "a.png", "-o", "a.png"], "replace what it is made from"),
        (["inspect", "a.png", "--other", "b.png", "-o", "b.png"], "replace what it is made from"),
        (["bake", "a.png", "--image", "a.png"], "end it in .onnx or .pt2"),
        (["bake", "x.pt2", "--blind"], "--blind and --split write ONNX alone"),
        (["bake", "x.pt2", "--split"], "--blind and --split write ONNX alone"),
        (["convert", "m.safetensors", "m.safetensors"], "replace what it is made from"),
        (["estimate", "a.png", "-o", "d.safetensors"], "is a folder"),
        (["upscale", "missing.png", "-o", "new/x.png"], "no such file"),
        (["estimate", "missing.png", "-o", "new/x.safetensors"], "no such file"),
        (["inspect", "missing.png", "-o", "new/x.png"], "no such file"),
        (["bake", "new/x.pt2", "--image", "missing.png"], "no such file"),
        (["upscale", "a.png", "--device", "meta"], "use cpu, cuda, mps or auto"),
        (["upscale", "a.png", "--device", "hpu"], "use cpu, cuda, mps or auto"),
        (["upscale", "a.png", "--device", "privateuseone"], "use cpu, cuda, mps or auto"),
    ],
)
def test_an_output_fits_its_suffix_and_is_no_input_and_nothing_is_made_for_a_run_that_fails(
    folder: Path, refused: Refused, arguments: list[str], message: str
) -> None:
    (folder / "d.safetensors").mkdir()
    model = MODEL if arguments[0] != "convert" else []
    assert message in refused(*arguments, "--overwrite", *model)


@pytest.mark.parametrize(
    ("arguments", "exists"),
    [
        (["bake", "x.onnx", "--split"], "x.json"),
        (["upscale", "a.png", "--save-idr", "old.safetensors"], "old.safetensors"),
    ],
)
def test_what_exists_is_not_replaced_and_that_is_said_before_any_work(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
    arguments: list[str],
    exists: str,
) -> None:
    monkeypatch.setattr(Upscaler, "estimate", lambda *_: pytest.fail("worked first"))
    (folder / exists).write_text("precious")
    assert f"{exists} exists; add --overwrite" in refused(*arguments, *MODEL)


def test_a_folder_with_a_dot_in_its_name_takes_results_once_it_exists(folder: Path) -> None:
    (folder / "v1.2").mkdir()
    assert main(["upscale", "a.png", *MODEL, "-o", "v1.2"]) == 0
    assert [p.name for p in (folder / "v1.2").iterdir()] == ["a-kdsr.png"]


def test_a_result_too_large_for_its_format_is_known_before_it_is_computed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(folder / "wide.png", 1, 4096)  # x4: 16,384 px
    computed = []
    real = Upscaler.estimate
    monkeypatch.setattr(
        Upscaler, "estimate", lambda *a, **k: computed.append(a[1].shape[3]) or real(*a, **k)
    )
    run = ["upscale", "wide.png", "a.png", "-o", "out", *MODEL, "--format", "webp"]
    assert main(run) == 2
    assert "at most 16,383 px a side" in capsys.readouterr().err
    assert computed == [16]
    assert [p.name for p in (folder / "out").iterdir()] == ["a-kdsr.webp"]


@pytest.mark.parametrize(("name", "longest"), [("a.jpg", 65_500), ("a.webp", 16_383)])
def test_the_limits_of_formats_are_those_of_their_libraries(
    tmp_path: Path, name: str, longest: int
) -> None:
    check_format(tmp_path / name, transparent=False, size=(1, longest))
    Image.new("RGB", (longest, 1)).save(tmp_path / name)
    with pytest.raises(ImageError, match="px a side"):
        check_format(tmp_path / name, transparent=False, size=(longest + 1, 1))
    with pytest.raises((OSError, ValueError)):
        Image.new("RGB", (longest + 1, 1)).save(tmp_path / name)


def test_of_two_runs_with_one_output_the_later_one_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The second run begins and ends while the first holds its result, past every check.
    write = kdsr.cli.image_session.write_image

    def overtaken(*arguments: Any, **keywords: Any) -> None:
        monkeypatch.setattr(kdsr.cli.image_session, "write_image", write)
        assert main(["upscale", "b.png", "-o", "o.png", *MODEL]) == 0
        write(*arguments, **keywords)

    monkeypatch.setattr(kdsr.cli.image_session, "write_image", overtaken)
    assert main(["upscale", "a.png", "-o", "o.png", *MODEL]) == 2
    assert "exists and is not replaced" in capsys.readouterr().err
    assert main(["upscale", "b.png", "-o", "alone.png", *MODEL]) == 0
    assert (folder / "o.png").read_bytes() == (folder / "alone.png").read_bytes()


def test_an_idr_file_without_rows_is_refused_and_not_taken_for_none(
    folder: Path, refused: Refused
) -> None:
    idr = IDR.load(folder / "i.safetensors")
    rows = {name: getattr(idr, name)[:0] for name in ("idr", "idr_full", "structure", "left_out")}
    save_file(rows, folder / "z.safetensors", {"format": FORMAT, "fingerprint": idr.fingerprint})
    said = refused("upscale", "a.png", *MODEL, "--idr", "z.safetensors")
    assert "of at least one vector, got" in said


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "a.png", "-o", "new/f.png"],
        ["estimate", "a.png", "-o", "new/x.safetensors"],
        ["upscale", "a.png", "-o", "new/o.tif", "--format", "tif"],
        ["upscale", "a.png", "b.png", "-o", "new"],
    ],
)
def test_a_full_disk_takes_one_line_for_each_result_and_leaves_no_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    before = contents(folder)
    with full_disk(room=100):
        assert main([*arguments, *MODEL]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(errors) == (2 if "b.png" in arguments else 1)
    assert all("File too large (disk /" in line for line in errors)
    assert contents(folder) == before


def test_a_folder_s_avif_photographs_are_taken(folder: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    save_noise(folder / "in" / "a.avif", 24, 32)
    assert main(["upscale", "in", "-o", "out", *MODEL]) == 0
    assert [path.name for path in (folder / "out").iterdir()] == ["a-kdsr.png"]


@pytest.mark.parametrize(
    "arguments",
    [["upscale", ""], ["upscale", "a.png", "-o", ""], ["upscale", "a.png", "--save-idr", ""]],
)
def test_empty_names_are_refused_as_unset_variables_of_shells(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    before = contents(folder)
    with pytest.raises(SystemExit) as caught:
        main([*arguments, *MODEL])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "expected the name of a file or folder, got nothing" in error
    assert error.count("\n") == 1
    assert contents(folder) == before
