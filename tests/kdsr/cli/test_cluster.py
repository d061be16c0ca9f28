"""`--cluster` as far as it needs no cluster; tests/kdsr/cluster/test_ray.py has the rest."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kdsr.cli.cluster
import kdsr.cli.upscale
from kdsr import IDR
from kdsr.cli import main
from kdsr.cli.streams import Failure
from kdsr.errors import ClusterError
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_calibrated, make_tiny
from tests.support.pictures import contents, save_noise
from tests.support.places import ROOT
from tests.support.pool_here import PoolHere, pool_here
from tests.support.refusal import Refused

MODEL = ["--model", "m.safetensors", "--dtype", "fp32"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """m.safetensors, pictures and one that is none in in/; workers run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kdsr.cli.cluster, "worker_pool", pool_here)
    save_checkpoint(make_calibrated(), tmp_path / "m.safetensors")
    for seed, name in enumerate("abc"):
        save_noise(tmp_path / "in" / f"{name}.png", 14 + seed, 17, seed=seed)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--size", "2x", "--format", "jpg", "--quality", "80", "--suffix", "_x"],
        ["--wrap", "both", "--overlap", "fast", "--tile", "16", "--map", "2"],
        ["--one-idr"],
        ["--scale", "1.5", "--strength", "0.4"],
    ],
)
def test_results_equal_those_of_the_plain_command(folder: Path, options: list[str]) -> None:
    assert main(["upscale", "in", *MODEL, *options, "-o", "plain"]) == 2
    assert main(["upscale", "in", *MODEL, *options, "-o", "shared", "--cluster", "local"]) == 2
    assert len(contents(folder / "plain")) == 3
    assert contents(folder / "shared") == contents(folder / "plain")


def test_failures_are_told_in_the_end_with_their_reasons(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upscale", "in", *MODEL, "-o", "out", "--cluster", "local"]) == 2
    said = capsys.readouterr()
    assert [line.partition(" -> ")[0] for line in said.out.splitlines()] == [
        str(folder / "in" / f"{name}.png") for name in "abc"
    ]
    failed, summary = said.err.splitlines()[-2:]
    assert failed.startswith(f"kdsr: error: {folder / 'in' / 'bad.png'}: not an image that can be")
    assert summary == "kdsr: 3 of 4 images upscaled"


def test_results_that_exist_are_taken_for_finished_unless_told_otherwise(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["upscale", "in", *MODEL, "-o", "out", "--cluster", "local"]
    main(run)
    first = contents(folder / "out")
    (folder / "out" / "a-kdsr.png").unlink()
    (folder / "out" / "b-kdsr.png").write_text("as it was left")
    (folder / "in" / "bad.png").unlink()
    capsys.readouterr()
    assert main(run) == 0
    said = capsys.readouterr()
    assert "2 of 3 results exist" in said.err
    assert len(said.out.splitlines()) == 1
    assert contents(folder / "out") == {**first, "b-kdsr.png": b"as it was left"}
    assert main([*run, "--overwrite"]) == 0
    assert contents(folder / "out") == first
    assert main(run) == 0
    assert "3 of 3 results exist" in capsys.readouterr().err


def test_a_stopped_run_with_one_idr_goes_on_with_the_one_it_saved(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--one-idr", "--save-idr", "one.safetensors", "--cluster", "local"]
    run = ["upscale", "in", *MODEL, "-o", "out", *options]
    main(run)
    first = contents(folder / "out")
    (folder / "out" / "a-kdsr.png").unlink()
    monkeypatch.setattr(kdsr.cli.upscale, "_one_idr", lambda *_: pytest.fail("estimated again"))
    assert main(run) == 2
    assert contents(folder / "out") == first
    assert IDR.load("one.safetensors").provenance["images"] == "3"


def test_a_result_that_a_dead_worker_left_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "bad.png").unlink()

    def lost(here: PoolHere, step: Callable, items: list[Any]) -> Iterator[tuple[Any, Any]]:
        (a, _), (b, outcome), (c, _) = step(here.states[0], items)
        yield a, Failure(2, "a-kdsr.png exists", "")  # as told by the second worker
        yield b, outcome
        c[1].unlink()
        yield c, ClusterError("its worker died, 3 times in a row")

    monkeypatch.setattr(PoolHere, "run", lost)
    assert main(["upscale", "in", *MODEL, "-o", "out", "--cluster", "local"]) == 2
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert f"{folder / 'in' / 'c.png'}: its worker died, 3 times in a row" in said.err
    assert "2 of 3 images upscaled" in said.err


def test_another_model_on_a_workers_machine_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init = PoolHere.__init__

    def elsewhere(here: PoolHere, opener: Callable[[str], Any], workers: int) -> None:
        save_checkpoint(make_tiny(seed=1), folder / "m.safetensors")
        init(here, opener, workers)

    monkeypatch.setattr(PoolHere, "__init__", elsewhere)
    assert main(["upscale", "in", *MODEL, "-o", "out", "--cluster", "local"]) == 2
    assert "there are other models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ray", "address", "message"),
    [
        *(
            (ModuleType("ray"), address, "--cluster expects auto, local or HOST:PORT")
            for address in ("ray://head:10001", "head", "head:", "head:x")
        ),
        (None, "local", 'pip install "kdsr[cluster]"'),
    ],
)
def test_addresses_that_are_none_and_a_missing_ray_are_told_with_their_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
    ray: ModuleType | None,
    address: str,
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", ray)
    run = ["upscale", str(ROOT / "samples" / "example.png"), "-o", str(tmp_path / "o.png")]
    assert message in refused(*run, "--cluster", address)
