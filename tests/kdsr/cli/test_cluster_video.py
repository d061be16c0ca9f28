"""`--cluster` on videos, as far as it needs no cluster: workers share the segments of a film."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kdsr.cli.cluster
import kdsr.video.segments as segments
from kdsr.cli import cluster, main
from kdsr.files.weights import save_checkpoint
from kdsr.video.segments import Segments
from tests.conftest import make_tiny
from tests.support.clips import write_clip
from tests.support.pictures import contents
from tests.support.pool_here import PoolHere, pool_here

pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

FRAMES, SEGMENT = 10, 3
MODEL = ["--model", "m.safetensors", "--dtype", "fp32"]


class Stopped(BaseException):
    """An exception that no code catches on its way."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """m.safetensors and in/ with a clip; two workers in this process, short segments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kdsr.cli.cluster, "worker_pool", pool_here)
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)
    save_checkpoint(make_tiny(), tmp_path / "m.safetensors")
    (tmp_path / "in").mkdir()
    write_clip(tmp_path / "in" / "clip.mp4", FRAMES, 32, 24)
    return tmp_path


def both(*options: str) -> None:
    assert main(["upscale", "in", *MODEL, *options, "-o", "plain"]) == 0
    assert main(["upscale", "in", *MODEL, *options, "-o", "shared", "--cluster", "local"]) == 0


@pytest.mark.parametrize(
    "options",
    [[], ["--mode", "per-frame", "--format", "mov"], ["--format", "mkv", "--strength", "1"]],
    ids=["smoothed", "per frame", "matroska"],
)
def test_the_result_is_that_of_the_plain_command_byte_by_byte(
    folder: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    both(*options)
    assert len(contents(folder / "plain")) == 1
    assert contents(folder / "shared") == contents(folder / "plain")
    plain, shared = capsys.readouterr().out.splitlines()
    assert plain.partition(" (")[2] == shared.partition(" (")[2] == "128 x 96 px, 10 frames)"


@pytest.mark.parametrize("said", [1, 4, 25])
def test_files_that_say_wrongly_how_long_they_are_come_out_whole(
    folder: Path, said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = cluster.tasks_of
    monkeypatch.setattr(cluster, "tasks_of", lambda source, target, _: right(source, target, said))
    both()
    assert contents(folder / "shared") == contents(folder / "plain")


def test_images_videos_and_what_is_neither_in_one_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((9, 8, 3), 90, np.uint8)).save(folder / "in" / "a.png")
    (folder / "in" / "broken.mkv").write_bytes(b"nothing of the kind")
    run = ["upscale", "in", *MODEL, "-o", "out", "--cluster", "local"]
    assert main(run) == 2
    assert sorted(contents(folder / "out")) == ["a-kdsr.png", "clip-kdsr.mp4"]
    failed, summary = capsys.readouterr().err.splitlines()[-2:]
    assert f"{folder / 'in' / 'broken.mkv'}: the video cannot be read" in failed
    assert summary == "kdsr: 2 of 3 images and videos upscaled"
    assert main(run) == 2
    assert "2 of 3 results exist" in capsys.readouterr().err


def test_a_film_that_another_run_is_at_fails_and_the_others_do_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(folder / "in" / "b.mp4", 2, 32, 24)
    (folder / "out").mkdir()
    with Segments(folder / "out" / "clip-kdsr.mp4", {"by": "another"}).claimed():
        assert main(["upscale", "in", *MODEL, "-o", "out", "--cluster", "local"]) == 2
    assert list(contents(folder / "out")) == ["b-kdsr.mp4"]
    failed, summary = capsys.readouterr().err.splitlines()[-2:]
    assert "clip-kdsr.mp4; wait for its end, or stop it" in failed
    assert summary == "kdsr: 1 of 2 videos upscaled"


def test_stopped_at_several_pieces_it_goes_on_from_what_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["upscale", "in", *MODEL, "-o", "shared", "--cluster", "local"]
    left, run = 0, PoolHere.run

    def stopping(here: PoolHere, step: Any, items: Any) -> Any:
        nonlocal left
        for found in run(here, step, items):
            yield found
            left -= 1
            if not left:
                raise Stopped

    monkeypatch.setattr(PoolHere, "run", stopping)
    for pieces in (2, 4 + 2, 3):  # 4 are looked at, 4 upscaled
        left = pieces
        with pytest.raises(Stopped):
            main(command)
        assert [path.name for path in (folder / "shared").iterdir()] == ["clip-kdsr.mp4.kdsr-parts"]
    assert main(command) == 0
    assert main(["upscale", "in", *MODEL, "-o", "plain"]) == 0
    assert contents(folder / "shared") == contents(folder / "plain")


def test_a_worker_with_other_versions_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Segments, "resumed", False)
    assert main(["upscale", "in", *MODEL, "-o", "out", "--cluster", "local"]) == 2
    assert "install the same versions of kdsr, PyTorch and PyAV" in capsys.readouterr().err
    assert not (folder / "out" / "clip-kdsr.mp4").exists()
