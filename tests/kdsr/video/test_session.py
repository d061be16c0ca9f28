"""Stopped at any moment, a video goes on from what is done, and comes out the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kdsr.video.segments as segments
import kdsr.video.session as session
from kdsr import KDSR
from kdsr.options import PER_FRAME, VideoOptions
from kdsr.upscaling.sizes import OutputSize
from kdsr.video.session import VideoJob, VideoSession, film_of
from tests.support.clips import write_clip
from tests.support.films import packets_of
from tests.support.places import ROOT

pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

FRAMES, SEGMENT = 10, 3


class Stopped(BaseException):
    """An exception that no code catches on its way."""


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES, 32, 24)


def run(model: KDSR, source: Path, target: Path, stop: int | None = None, **wish) -> list[str]:
    """Does the job; stopped when so many steps have been told. Gives what was told."""
    told: list[str] = []

    def tell(stage: str, done: int, _total: int) -> None:
        told.append(f"{stage} {done}")
        if len(told) == stop:
            raise Stopped

    film = film_of(source)
    VideoSession(VideoJob(model, source, target, **wish), film, film.facts()).run(tell)
    return told


def everything(path: Path) -> list:
    return [packets_of(path, kind) for kind in ("video", "audio")]


@pytest.mark.parametrize("suffix", [".mp4", ".webp"])
def test_stopped_at_several_steps_the_result_is_that_of_one_run(
    tiny: KDSR, clip: Path, tmp_path: Path, suffix: str
) -> None:
    whole, target = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    run(tiny, clip, whole)
    joining = (6, 15) if suffix == ".mp4" else ()
    for stop in (2, 5, 7, 12, *joining):  # 10 steps are looking, 10 upscaling, 11 or 1 joining
        with pytest.raises(Stopped):
            run(tiny, clip, target, stop=stop)
        assert not target.exists()
    run(tiny, clip, target)
    if suffix == ".mp4":
        assert everything(target) == everything(whole)
    else:
        assert target.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name, whole.name]


def test_only_the_segments_that_are_not_done_are_done(
    tiny: KDSR, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, upscaled = [], []
    look, upscale = session.estimate_frame, session.FrameUpscaler.__call__
    monkeypatch.setattr(
        session, "estimate_frame", lambda *args: (looked.append(args[1].time), look(*args))[1]
    )
    monkeypatch.setattr(
        session.FrameUpscaler, "__call__",
        lambda self, frame, index: (upscaled.append(index), upscale(self, frame, index))[1],
    )  # fmt: skip
    with pytest.raises(Stopped):
        run(tiny, clip, tmp_path / "out.mp4", stop=5)  # in the second segment of the first pass
    assert len(looked) == 5
    looked.clear()
    with pytest.raises(Stopped):
        run(tiny, clip, tmp_path / "out.mp4", stop=1 + 7 + 8)  # 1 for the segment that is there
    assert len(looked) == FRAMES - SEGMENT
    assert upscaled == list(range(8))
    looked.clear()
    upscaled.clear()
    run(tiny, clip, tmp_path / "out.mp4")
    assert looked == []
    assert upscaled == list(range(6, FRAMES))


@pytest.mark.parametrize(
    "change",
    [{"size": OutputSize(factor=2)}, {"options": VideoOptions(smoothing=0.1)}],
    ids=["size", "smoothing"],
)
def test_a_changed_wish_starts_anew(
    tiny: KDSR, clip: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(Stopped):
        run(tiny, clip, tmp_path / "out.mp4", stop=FRAMES + 7)
    told = run(tiny, clip, tmp_path / "out.mp4", **change)
    assert told[0] == "estimating 1"
    run(tiny, clip, tmp_path / "whole.mp4", **change)
    assert everything(tmp_path / "out.mp4") == everything(tmp_path / "whole.mp4")


def test_a_changed_source_starts_anew(tiny: KDSR, clip: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(clip.read_bytes())
    with pytest.raises(Stopped):
        run(tiny, source, tmp_path / "out.mp4", stop=FRAMES + 7)
    write_clip(source, FRAMES - 1, 32, 24)
    told = run(tiny, source, tmp_path / "out.mp4")
    assert told[0] == "estimating 1"
    assert len(packets_of(tmp_path / "out.mp4", "video")) == FRAMES - 1


def test_stopped_while_the_segments_are_joined_nothing_is_decoded_again(
    tiny: KDSR, clip: Path, tmp_path: Path
) -> None:
    wish: dict[str, Any] = {"options": VideoOptions(mode=PER_FRAME)}
    with pytest.raises(Stopped):
        run(tiny, clip, tmp_path / "out.mp4", stop=FRAMES + 4, **wish)
    told = run(tiny, clip, tmp_path / "out.mp4", **wish)
    assert told[0] == "joining 0"


KILLED = """
import os, sys
import kdsr.__main__ as command, kdsr.cli.films as video, kdsr.video.segments as segments
segments.SEGMENT = 3
number, left, tell = int(sys.argv.pop(1)), int(sys.argv.pop(1)), video._Bars.tell
def count(self, *told):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), number)
    tell(self, *told)
video._Bars.tell = count
raise SystemExit(command.run())
"""


def command(
    clip: Path, target: Path, steps: int = 0, number: int = signal.SIGTERM
) -> "subprocess.CompletedProcess[str]":
    """Runs the command as a process, which gets a signal when so many steps have been told."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    when = [f"{number:d}", str(steps)]
    return subprocess.run(
        [sys.executable, "-c", KILLED, *when, "upscale", clip, "-o", target.name],
        cwd=target.parent, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_signals_leave_segments_that_the_next_run_goes_on_from(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    parts = tmp_path / "out.mp4.kdsr-parts"
    for number, steps in ((signal.SIGINT, FRAMES + 4), (signal.SIGTERM, 1 + 3)):
        stopped = command(clip, target, steps, number)
        assert stopped.returncode == 128 + number, stopped.stderr
        assert stopped.stderr.splitlines()[-1] == (
            "kdsr: stopped; nothing half-written is left; the same command goes on where it was"
        )
        assert "Traceback" not in stopped.stderr
        assert list(tmp_path.iterdir()) == [parts]
        assert not list(parts.glob("*.part"))
    assert sorted(path.name for path in parts.glob("*.segment")) == ["00000.segment"]
    assert "going on from what is in out.mp4.kdsr-parts" in stopped.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killed_at_several_moments_the_command_goes_on(clip: Path, tmp_path: Path) -> None:
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    assert command(clip, whole).returncode == 0
    for steps in (2, 6, 9, 8, 12):
        assert command(clip, target, steps, signal.SIGKILL).returncode == -signal.SIGKILL
        assert not target.exists()
    last = command(clip, target)
    assert last.returncode == 0
    assert "going on from what is in out.mp4.kdsr-parts" in last.stderr
    assert everything(target) == everything(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]
