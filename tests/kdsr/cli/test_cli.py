import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import kdsr
import kdsr.cli.image_session
from kdsr import IDR, KDSR
from kdsr.cli import main
from kdsr.estimation.maps import idr_map
from kdsr.files.images import read_image
from kdsr.files.weights import save_checkpoint
from kdsr.network.baked import BakedKDSR
from kdsr.options import Tiling
from kdsr.upscaling.upscaler import Upscaler
from tests.cases.made_pictures import MadePicture
from tests.conftest import ROOT, make_calibrated, make_tiny
from tests.support.pictures import save_noise
from tests.support.places import GOLDEN
from tests.support.refusal import Refused

EXAMPLE = ROOT / "samples" / "example.png"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(make_tiny(), path, {"name": "tiny"})
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calibrated(folder: Path) -> KDSR:
    """Writes m.safetensors, a tiny model that can be read."""
    model = make_calibrated()
    save_checkpoint(model, folder / "m.safetensors")
    return model


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_the_example_is_upscaled_by_the_bundled_model(folder: Path, bundled: KDSR) -> None:
    assert main(["upscale", str(EXAMPLE), "-o", "up.png"]) == 0
    with Image.open(EXAMPLE) as image:
        lq = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    expected = (bundled.upscale(lq)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    with Image.open(folder / "up.png") as image:
        assert np.array_equal(np.asarray(image), expected)


def test_folders_and_globs_go_into_a_folder_with_suffix_and_format(
    folder: Path, weights: Path
) -> None:
    for name in ("in/a.png", "in/b.jpg", "more/c.png"):
        save_noise(folder / name)
    (folder / "in" / "notes.txt").write_text("not an image")
    arguments = ["upscale", "in", "more/*.png", "-o", "out", "--model", str(weights)]
    assert main([*arguments, "--suffix", "_x4", "--format", "webp"]) == 0
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        "a_x4.webp", "b_x4.webp", "c_x4.webp",
    ]  # fmt: skip


def test_one_failure_does_not_stop_the_batch(
    folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(folder / "in" / "a.png")
    (folder / "in" / "b.png").write_text("no picture")
    save_noise(folder / "in" / "c.png")
    assert main(["upscale", "in", "-o", "out", "--model", str(weights)]) == 2
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["a-kdsr.png", "c-kdsr.png"]
    errors = capsys.readouterr().err
    assert "b.png: not an image" in errors
    assert "2 of 3 images upscaled" in errors


def test_results_that_would_replace_each_other_are_refused_before_any_work(
    folder: Path, weights: Path, refused: Refused
) -> None:
    for name in ("in/a.png", "in/a.jpg", "more/a.png"):
        save_noise(folder / name)
    arguments = ["upscale", "--model", str(weights), "-o", "out"]
    for inputs in (["in", "--format", "png"], ["in/a.png", "more/a.png"]):
        assert "would both become out/a-kdsr.png" in refused(*arguments, *inputs)
    assert main([*arguments, "in"]) == 0  # a.jpg and a.png


def test_a_format_that_cannot_hold_the_result_is_refused_before_any_work(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setattr(Upscaler, "estimate", lambda *_: pytest.fail("worked first"))
    save_noise(folder / "a.png", channels=4)
    said = refused("upscale", "a.png", "-o", "b.jpg", "--model", str(weights))
    assert "JPEG cannot hold transparency" in said


def test_strength_is_a_blend_with_the_clean_reference(
    folder: Path, capsys: pytest.CaptureFixture[str], refused: Refused
) -> None:
    model = calibrated(folder)
    image = save_noise(folder / "a.png")
    arguments = ["upscale", "a.png", "--model", "m.safetensors", "--dtype", "fp32", "-o"]
    assert main([*arguments, "b.png", "--strength", "0.4", "--save-idr", "i.safetensors"]) == 0
    lq = read_image(image).rgb
    estimated = model.estimate(lq, dtype="fp32")
    expected = model.upscale(lq, kdsr.with_strength(model, estimated, 0.4), dtype="fp32")
    assert (read_image(folder / "b.png").rgb - expected.clamp(0, 1)).abs().max() < 1 / 254
    saved = IDR.load(folder / "i.safetensors")
    assert torch.equal(saved.idr, estimated.idr), "what is saved is the estimate"
    for wrong in ("-0.1", "2.5", "nan"):
        assert "strength must be 0 to 1.25" in refused(*arguments, "c.png", "--strength", wrong)
    save_noise(folder / "c.png", 32, 32)
    assert main(["estimate", "a.png", "c.png", "--model", "m.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "a.png: nothing can be told: the image is too small or too flat" in said
    assert "c.png: blur 2.0 x 1.0 px ± 0." in said


def test_a_map_lets_the_idr_change_over_the_image(folder: Path, refused: Refused) -> None:
    model = calibrated(folder)
    image = save_noise(folder / "a.png", 64, 96)
    arguments = ["upscale", "a.png", "--model", "m.safetensors", "--dtype", "fp32", "-o"]
    assert main([*arguments, "b.png", "--map", "3", "--strength", "0.5"]) == 0
    lq = read_image(image).rgb
    tiling = Tiling(dtype="fp32")
    regions = kdsr.with_strength(model, idr_map(model, lq, cells=3, tiling=tiling), 0.5)
    expected = model.upscale(lq, regions, dtype="fp32")
    assert (read_image(folder / "b.png").rgb - expected).abs().max() < 1 / 254
    assert "--map must be 1 to 100 cells" in refused(*arguments, "c.png", "--map", "0")
    both = ("--map", "--save-idr", "i.safetensors")
    assert "leave one of them out" in refused(*arguments, "c.png", *both)


def test_inspect_says_and_draws(
    folder: Path, capsys: pytest.CaptureFixture[str], refused: Refused
) -> None:
    calibrated(folder)
    save_noise(folder / "a.png", 64, 96)
    save_noise(folder / "b.png")
    options = ["--model", "m.safetensors"]
    assert main(["estimate", "b.png", "-o", "b.safetensors", *options]) == 0
    assert main(["inspect", "a.png", "--other", "b.safetensors", "-o", "f.png", *options]) == 0
    said = capsys.readouterr().out
    assert "blur 2.0 x 1.0 px ± 0." in said
    assert "against the second (1 IDR)" in said
    assert "over the image (4 x 6 cells)" in said
    with Image.open(folder / "f.png") as figure:
        with_map = figure.size
    assert main(["inspect", "b.safetensors", "-o", "g.png", *options]) == 0
    with Image.open(folder / "g.png") as figure:
        assert figure.width == with_map[0] == 1356
        assert figure.height < with_map[1]
    assert "add --overwrite" in refused("inspect", "a.png", "-o", "f.png", *options)
    assert "end it in .png" in refused("inspect", "a.png", "-o", "f.jpg", *options)


def test_existing_files_are_kept_unless_told_otherwise(
    folder: Path, weights: Path, refused: Refused
) -> None:
    save_noise(folder / "a.png")
    (folder / "b.png").write_text("precious")
    arguments = ["upscale", "a.png", "-o", "b.png", "--model", str(weights)]
    assert "add --overwrite" in refused(*arguments)
    assert main([*arguments, "--overwrite"]) == 0
    assert size(folder / "b.png") == (64, 48)


def test_transparent_images_stay_transparent_without_dark_fringes(folder: Path) -> None:
    array = np.zeros((24, 24, 4), np.uint8)
    array[8:16, 8:16] = (240, 200, 40, 255)  # hidden pixels are black, as many programs leave them
    Image.fromarray(array).save(folder / "a.png")
    assert main(["upscale", "a.png", "-o", "b.png"]) == 0
    with Image.open(folder / "b.png") as image:
        result = np.asarray(image).astype(int)
    assert result.shape == (96, 96, 4)
    assert (result[:16, :, 3] == 0).all()
    visible = result[result[..., 3] > 128]
    assert visible[:, 0].min() > 180, "the edge got dark"


def test_grey_images_stay_grey(folder: Path, weights: Path) -> None:
    save_noise(folder / "a.png", channels=1)
    assert main(["upscale", "a.png", "-o", "b.png", "--model", str(weights)]) == 0
    with Image.open(folder / "b.png") as image:
        assert image.mode == "L"


def test_an_idr_can_be_saved_and_used_again(folder: Path, weights: Path) -> None:
    save_noise(folder / "a.png")
    run = ["upscale", "a.png", "--model", str(weights), "--dtype", "fp32"]
    assert main([*run, "-o", "b.png", "--save-idr", "idr.safetensors"]) == 0
    assert IDR.load(folder / "idr.safetensors").provenance["image"] == "a.png"
    assert main([*run, "-o", "c.png", "--idr", "idr.safetensors"]) == 0
    with Image.open(folder / "b.png") as b, Image.open(folder / "c.png") as c:
        assert np.array_equal(np.asarray(b), np.asarray(c))
    assert main(["upscale", "a.png", "-o", "d.png", "--idr", "idr.safetensors"]) == 2


def test_estimate_saves_one_row_an_image_or_the_mean(folder: Path, weights: Path) -> None:
    save_noise(folder / "in" / "a.png")
    save_noise(folder / "in" / "b.png", 9, 11)
    assert main(["estimate", "in", "-o", "i.safetensors", "--model", str(weights)]) == 0
    both = IDR.load(folder / "i.safetensors")
    assert len(both) == 2
    options = ["--model", str(weights), "--mean"]
    assert main(["estimate", "in", "-o", "m.safetensors", *options]) == 0
    torch.testing.assert_close(IDR.load(folder / "m.safetensors").idr, both.mean().idr)


def test_info_and_models_say_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "kdsr-s-x4"]) == 0
    shown = capsys.readouterr().out
    assert "student" in shown
    assert "638,115" in shown
    assert main(["models"]) == 0
    assert (
        "kdsr-s-x4  x4  faithful: invents nothing  (bundled, Apache-2.0)\n"
        in capsys.readouterr().out
    )


def test_info_escapes_what_could_steer_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(make_tiny(), folder / "m.safetensors", {"na\nme": "\x1b[2Jgone\r"})
    assert main(["info", "m.safetensors"]) == 0
    shown = capsys.readouterr().out
    assert r"\x1b[2Jgone\r" in shown
    assert r"na\nme" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("recipe", "lines"),
    [
        ('{"size": "s", "gan.lr": 0.1}', ["recipe", "    size = s", "    gan.lr = 0.1"]),
        ("by hand", ["recipe         by hand"]),
        ("[1]", ["recipe         [1]"]),
        ("[" * 100_000, ["recipe         " + "[" * 100_000]),
    ],
)
def test_info_ends_with_the_training_options_one_a_line(
    recipe: str, lines: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(make_tiny(), folder / "m.safetensors", {"recipe": recipe, "stage": "gan"})
    assert main(["info", "m.safetensors"]) == 0
    assert capsys.readouterr().out.splitlines()[-len(lines) :] == lines


def test_convert_and_bake_write_their_files(folder: Path, weights: Path) -> None:
    golden = GOLDEN / "classic_student_x4.pt"
    assert main(["convert", str(golden), "a.safetensors"]) == 0
    assert main(["convert", "a.safetensors", "b.pt"]) == 0
    before, after = (torch.load(p, weights_only=True) for p in (golden, folder / "b.pt"))
    assert all(torch.equal(before[key], after[key]) for key in before)
    save_noise(folder / "a.png")
    assert main(["bake", "n.pt2", "--image", "a.png", "--model", str(weights)]) == 0
    assert main(["bake", "n.safetensors", "--image", "a.png", "--model", str(weights)]) == 0
    program = torch.export.load(folder / "n.pt2").module()
    assert program(torch.rand(1, 3, 9, 7)).shape == (1, 3, 36, 28)


def test_bake_says_what_of_a_picture_did_not_count(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Uses a bundled model, which has a trained range."""
    MadePicture("half_hatched", 1).image().save(folder / "a.png")
    assert main(["bake", "n.safetensors", "--image", "a.png"]) == 0
    said = capsys.readouterr().err
    assert "a.png: " in said
    assert "looks like dither or hatching and was left out" in said


@pytest.mark.slow
def test_bake_writes_the_estimator_too(
    folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    model = ["--model", str(weights)]
    assert main(["bake", "a.onnx", "--blind", *model]) == 0
    assert main(["bake", "b.onnx", "--split", "--dtype", "fp16", *model]) == 0
    written = {"a.onnx", "b.estimator.onnx", "b.network.onnx", "b.json"}
    assert {path.name for path in folder.iterdir()} == written
    assert "overlap of 10 px" in capsys.readouterr().out


TEACHER = str(GOLDEN / "classic_teacher_x4.pt")


def _pictured(folder: Path) -> None:
    save_noise(folder / "a.png")


def _foreign(folder: Path) -> None:
    _pictured(folder)
    save_file({"x": torch.zeros(1)}, folder / "x.safetensors")


def _walled(folder: Path) -> None:
    _pictured(folder)
    (folder / "wall").write_text("a file where a folder is wanted")


def _truncated(path: Path) -> None:
    save_noise(path, 64, 64)
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (None, ["missing.png"], "missing.png: no such file"),
        (None, ["no/such/*.png"], "no file matches"),
        (lambda f: (f / "empty").mkdir(), ["empty"], "the folder holds no images"),
        (lambda f: _truncated(f / "a.png"), ["a.png"], "damaged or truncated"),
        (lambda f: (f / "a.png").touch(), ["a.png"], "0 bytes"),
        (lambda f: (f / "a.png").write_text("hi"), ["a.png"], "not an image"),
        (_pictured, ["a.png", "--tile", "-1"], "tile must be at least 1"),
        (_pictured, ["a.png", "--overlap", "-1"], "overlap must be"),
        (_pictured, ["a.png", "--model", "nope"], "unknown model 'nope'"),
        (_pictured, ["a.png", "--model", "n.safetensors"], "no such file"),
        (_pictured, ["a.png", "--device", "tpu9"], "not available"),
        (
            lambda f: save_noise(f / "a.png"),
            ["a.png", "--dtype", "fp16"],
            "fp16 needs a CUDA device",
        ),
        (_pictured, ["a.png", "--quality", "0"], "--quality"),
        (_pictured, ["a.png", "--model", TEACHER], "this is a teacher"),
        (_foreign, ["a.png", "--model", "x.safetensors"], "not a KDSR model"),
        (_walled, ["a.png", "-o", "wall/b.png"], "wall"),
    ],
)
def test_bad_input_gives_one_clear_line_and_exit_code_2(
    folder: Path, refused: Refused, make, arguments: list[str], message: str
) -> None:
    if make is not None:
        make(folder)
    if "fp16" in arguments and torch.cuda.is_available():
        pytest.skip("fp16 runs here")
    assert message in refused("upscale", *arguments)


@pytest.mark.parametrize("arguments", [["a.png", "--size", "big"], ["a.png", "--tile", "x"], []])
def test_wrong_arguments_give_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["upscale", *arguments])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(folder: Path, refused: Refused) -> None:
    save_noise(folder / "a.png")
    (folder / "locked").mkdir(mode=0o500)
    assert "Permission denied" in refused("upscale", "a.png", "-o", "locked/b.png")


def test_a_full_disk_leaves_nothing_half_written(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    save_noise(folder / "a.png")

    def full(_self: Image.Image, file: BinaryIO, *_args: object, **_options: object) -> None:
        file.write(b"the first half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    error = refused("upscale", "a.png", "-o", "b.png", "--model", str(weights))
    assert "b.png: cannot be written: No space left on device" in error


def test_ctrl_c_in_the_command_leaves_nothing_half_written(
    folder: Path,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_noise(folder / "a.png", 64, 64)
    step, calls = BakedKDSR.forward, 0

    def stopped(network: BakedKDSR, windows: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 2:
            signal.raise_signal(signal.SIGINT)
        return step(network, windows)

    monkeypatch.setattr(BakedKDSR, "forward", stopped)
    # A shell's background job ignores Ctrl-C, and so do the tests that are started from it.
    model = ["--model", str(weights)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["upscale", "a.png", "-o", "out/b.png", "--tile", "8", *model]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == 2
    assert "stopped" in capsys.readouterr().err
    assert sorted(p.name for p in folder.iterdir()) == ["a.png"]


def test_an_interrupted_batch_keeps_what_was_finished(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in/a.png", "in/b.png"):
        save_noise(folder / name)
    real = kdsr.cli.image_session.write_image

    def interrupted(path: Path, *args: object, **options: object) -> None:
        if path.name.startswith("b"):
            raise KeyboardInterrupt
        real(path, *args, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(kdsr.cli.image_session, "write_image", interrupted)
    assert main(["upscale", "in", "-o", "out", "--model", str(weights)]) == 130
    assert [p.name for p in (folder / "out").iterdir()] == ["a-kdsr.png"]


def test_help_does_not_wait_for_pytorch() -> None:
    script = "import sys; from kdsr.cli import main\ntry: main(['--help'])\nexcept SystemExit: "
    script += "print('torch' in sys.modules, file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "False"
