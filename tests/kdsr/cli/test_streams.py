"""Failing output never undoes finished work, whether a terminal, a pipe or a disk fails."""

import contextlib
import io
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tqdm import tqdm

import kdsr.cli.image_session
from kdsr import IDR
from kdsr.cli import main
from kdsr.cli.streams import VERBOSE, complain, listening
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.places import ROOT

MODEL = ["--model", "m.safetensors"]
Opened = Callable[..., io.TextIOWrapper]
ODD = ["caf\u00e9.png", os.fsdecode(b"caf\xe9.png"), "new\nline.png", "\u202egnp.png"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(make_tiny(), tmp_path / "m.safetensors")
    return tmp_path


def draw(*names: str) -> None:
    for name in names:
        with Path(name).open("wb") as file:
            Image.new("RGB", (9, 7), (90, 120, 30)).save(file, "PNG")


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Makes streams of descriptors."""
    with contextlib.ExitStack() as streams:

        def stream(number: int, encoding: str = "utf-8") -> io.TextIOWrapper:
            raw = os.fdopen(number, "wb", buffering=0)
            return streams.enter_context(io.TextIOWrapper(raw, encoding=encoding))

        yield stream


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_a_terminal_cannot_show_are_escaped_and_nothing_is_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    draw(*ODD)
    for name in ("stdout", "stderr"):
        log = os.open(f"{name}.txt", os.O_WRONLY | os.O_CREAT)
        monkeypatch.setattr(sys, name, opened(log, "ascii"))
    assert main(["estimate", *ODD, "-o", "i.safetensors", *MODEL]) == 0
    assert len(IDR.load(folder / "i.safetensors")) == len(ODD)
    assert main(["upscale", *ODD, "-o", "out", *MODEL]) == 0
    assert len(list((folder / "out").iterdir())) == len(ODD)
    said = (folder / "stdout.txt").read_text("ascii")
    assert said.count("\n") == 2 * len(ODD) + 1, "a line for each"
    assert r"caf\xe9.png: " in said
    assert r"caf\udce9.png: " in said
    assert r"new\nline.png: " in said
    assert r"\u202egnp.png: " in said
    assert "4 of 4 images upscaled" in (folder / "stderr.txt").read_text("ascii")


def test_results_count_although_nobody_listens(
    folder: Path, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    draw("a.png", "b.png")
    for name in ("stdout", "stderr"):
        reading, writing = os.pipe()
        os.close(reading)
        monkeypatch.setattr(sys, name, opened(writing))
    assert main(["upscale", "a.png", "b.png", "-o", "out", *MODEL]) == 0
    assert len(list((folder / "out").iterdir())) == 2
    assert main(["models"]) == 0
    assert main(["info", "missing.safetensors"]) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_output_that_does_not_fit_on_the_disk_is_said_once(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    opened: Opened,
) -> None:
    draw("a.png", "b.png")
    monkeypatch.setattr(sys, "stdout", opened(os.open("/dev/full", os.O_WRONLY)))
    assert main(["upscale", "a.png", "b.png", "-o", "out", *MODEL]) == 2
    error = capsys.readouterr().err
    assert error.count("No space left") == 1
    assert "2 of 2 images upscaled" in error
    assert len(list((folder / "out").iterdir())) == 2
    assert main(["info", "m.safetensors"]) == 0, "what is dropped stays dropped"


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_closed_descriptors_are_not_given_to_files(folder: Path) -> None:
    draw("a.png")
    run = f"{sys.executable} -m kdsr upscale a.png -o o.png --model m.safetensors"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    assert (
        subprocess.run(
            ["sh", "-c", f"exec {run} <&- >&- 2>&-"], env=environment, check=False
        ).returncode
        == 0
    )
    with Image.open("o.png") as image:
        image.load()
        assert image.size == (36, 28)


def test_a_line_without_bars_takes_no_lock_which_may_find_no_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exhausted() -> None:
        raise MemoryError

    assert not getattr(tqdm, "_instances", None), "a test has left a bar"
    monkeypatch.delattr(tqdm, "_lock", raising=False)  # it is made for the first bar
    monkeypatch.setattr(tqdm, "get_lock", exhausted)
    complain("said")
    assert capsys.readouterr().err == "kdsr: error: said\n"


def test_a_line_takes_bars_away_and_brings_them_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with tqdm(total=2, desc="bar", file=stream, mininterval=0, ncols=40) as bar:
        complain("said")
        bar.update()
    before, after = stream.getvalue().split("kdsr: error: said\n")
    assert before.endswith("\r"), "the line was written behind a bar"
    assert "bar" in before
    assert "bar" in after


def test_details_are_said_on_request_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.png").write_text("no picture")
    run = ["upscale", "a.png", *MODEL]
    assert main(run) == 2
    assert capsys.readouterr().err.count("\n") == 1
    for verbose, variable in ((["--verbose"], ""), ([], "1")):
        monkeypatch.setenv(VERBOSE, variable)
        assert main([*run, *verbose]) == 2
        error = capsys.readouterr().err
        assert "Traceback" in error
        assert "kdsr: error: a.png: not an image" in error
    assert not logging.getLogger().handlers or not logging.getLogger("kdsr").level


def test_a_mistake_of_ours_takes_one_line_and_never_ends_a_batch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw("a.png", "b.png")
    real = kdsr.cli.image_session.write_image

    def wrong(path: Path, *arguments: Any, **options: Any) -> None:
        if path.name.startswith("a"):
            raise TypeError("three\nlines\nlong")
        real(path, *arguments, **options)

    monkeypatch.setattr(kdsr.cli.image_session, "write_image", wrong)
    assert main(["upscale", "a.png", "b.png", "-o", "out", *MODEL]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert "kdsr: error: a.png: a mistake in kdsr (TypeError: three); please report it" in errors[0]
    assert "1 of 2 images upscaled" in errors[1]
    assert len(errors) == 2
    assert [path.name for path in (folder / "out").iterdir()] == ["b-kdsr.png"]


def test_our_warnings_take_one_line_and_those_of_others_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logging.captureWarnings(True)
    try:
        with listening(verbose=False), warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("of a library", stacklevel=1)
            logging.getLogger("torch.something").warning("of a library")
            logging.getLogger("kdsr.files").warning("odd\x1b[2J tags")
    finally:
        logging.captureWarnings(False)
    assert capsys.readouterr().err == "kdsr: warning: odd\\x1b[2J tags\n"
