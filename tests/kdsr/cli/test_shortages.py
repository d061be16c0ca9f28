"""Memory that runs out for real, at many sizes: the right picture, or one sentence and no file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdsr import IDR, KDSR, KDSRConfig
from kdsr.cli import main
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.limits import limited_command

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits of Linux")
Command = Callable[[int, list[str]], tuple[int, str]]
MIB = 1 << 20
RUNS = {
    "upscale": ["upscale", "a.png", "-o", "o.png"],
    "one pass": ["estimate", "large.png", "-o", "o.safetensors", "--tile", "none", "--verbose"],
    "size": ["upscale", "alpha.png", "-o", "o.tif", "--size", "3x"],
    "deep": ["upscale", "deep.png", "-o", "o.png"],
    "map": ["upscale", "a.png", "-o", "o.webp", "--map", "3"],
    "estimate": ["estimate", "a.png", "alpha.png", "-o", "o.safetensors"],
    "inspect": ["inspect", "a.png", "-o", "o.png"],
    "convert": ["convert", "l.safetensors", "o.pth"],
    "copy": ["convert", "l.safetensors", "o.safetensors"],
}
SIZES = {"a.png": (3, np.uint8), "alpha.png": (4, np.uint8), "deep.png": (1, np.uint16)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(make_tiny(), tmp_path / "m.safetensors")
    save_checkpoint(KDSR(KDSRConfig(4, 64, 4, 2)), tmp_path / "l.safetensors")
    for name, (channels, kind) in SIZES.items():
        values = np.random.default_rng(1).integers(0, 256, (150, 200, channels)).astype(kind)
        Image.fromarray(values[..., 0] if channels == 1 else values).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def command(folder: Path) -> Iterator[Command]:
    with limited_command(folder) as run:
        yield run


def try_with(command: Command, folder: Path, run: str, room: int) -> tuple[int, str]:
    """Runs a command in so much memory; checks what it says and leaves."""
    before = set(folder.iterdir())
    model = [] if RUNS[run][0] == "convert" else ["--model", "m.safetensors"]
    arguments = RUNS[run] + model
    code, said = command(room, arguments)
    assert code in (0, 2), (room, code, said)
    errors = [line for line in said.splitlines() if line.startswith("kdsr: error: ")]
    assert "Traceback" not in said or "--verbose" in arguments
    new = set(folder.iterdir()) - before
    if code == 2:
        assert errors, room
        assert all("memory" in line for line in errors), errors
        assert not new, room
    else:
        assert not errors
        assert len(new) == 1
    return code, said


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_too_little_memory_gives_smaller_tiles_or_one_sentence(
    folder: Path, command: Command
) -> None:
    Image.effect_mandelbrot((800, 600), (-2, -1, 1, 1), 50).save("large.png")
    assert try_with(command, folder, "one pass", 900 * MIB)[0] == 0
    (folder / "o.safetensors").rename(folder / "enough.safetensors")
    codes, said = [], ""
    while 0 not in codes:  # one pass takes about 250 MB
        code, words = try_with(command, folder, "one pass", (1 + 40 * len(codes)) * MIB)
        codes.append(code)
        said += words
    assert codes[0] == 2, "one megabyte was enough: nothing was tested"
    assert "going on with single tiles" in said
    few, enough = (IDR.load(folder / f"{name}.safetensors") for name in ("o", "enough"))
    torch.testing.assert_close(few.idr_full, enough.idr_full, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("run", [run for run in RUNS if run != "one pass"])
def test_whatever_runs_out_of_memory_says_so_in_one_sentence(
    folder: Path, command: Command, run: str
) -> None:
    codes = []
    # With less than one megabyte Python itself breaks, in words that no program can change.
    for room in [*range(MIB, 5 * MIB, MIB // 2), *range(5 * MIB, 60 * MIB, 5 * MIB), 900 * MIB]:
        codes.append(try_with(command, folder, run, room)[0])
        for path in folder.glob("o.*"):
            path.unlink()
    assert 2 in codes
    assert codes[-1] == 0


@pytest.mark.parametrize(
    "options",
    [["--size", "16x"], ["--size", "3200w", "--format", "tif"], ["--size", "5MP"]],
)
def test_a_result_that_cannot_fit_is_refused_before_any_work(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    monkeypatch.setattr("kdsr.errors._meminfo", lambda *_: 10_000_000)
    monkeypatch.setattr("kdsr.model.KDSR.estimate", lambda *_, **__: pytest.fail("worked first"))
    for name in ("a.png", "deep.png"):
        assert main(["upscale", name, "--model", "m.safetensors", *options]) == 2
        error = capsys.readouterr().err
        assert error.startswith("kdsr: error: a result of ")
        assert "MB of memory, and 10 MB are free; choose a smaller size" in error
        assert error.count("\n") == 1


def test_numbers_beyond_all_bounds_do_what_the_largest_sensible_one_does(folder: Path) -> None:
    crop = Image.open("a.png").crop((0, 0, 24, 20))
    crop.save("c.png")
    run = ["upscale", "c.png", "--model", "m.safetensors", "--wrap", "both", "--dtype", "fp32"]
    assert main([*run, "-o", "exact.png"]) == 0
    for name, options in {
        "overlap.png": ["--overlap", "99999"],
        "wide.png": ["--overlap", "1" + "0" * 30, "--tile", "8"],
        "tile.png": ["--tile", "1" + "0" * 400],
    }.items():
        assert main([*run, "-o", name, *options]) == 0
        assert np.abs(pixels(folder / name) - pixels(folder / "exact.png")).max() <= 1
