"""The busy program must keep a core busy, and be gone afterwards."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.busy_machine import _busy_program, _row


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_the_busy_program_takes_a_core_and_ends() -> None:
    before = _children()
    with _busy_program():
        (pid,) = _children() - before
        started, used = time.monotonic(), _cpu_seconds(pid)
        while time.monotonic() < started + 30 and _cpu_seconds(pid) < used + 0.3:
            time.sleep(0.1)
        assert _cpu_seconds(pid) >= used + 0.3
    assert pid not in _children()


@pytest.mark.slow
def test_a_row_is_the_steps_of_a_process_with_its_own_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--batch", "1", "--patch", "8", "--steps", "3"])
    monkeypatch.setenv("OMP_NUM_THREADS", "not a number, if it came through")
    seconds = _row("one thread", {"OMP_NUM_THREADS": "1"})
    assert len(seconds) == 3
    assert all(0 < s < 60 for s in seconds)


def _children() -> set[int]:
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {int(pid) for pid in own.read_text().split()}


def _cpu_seconds(pid: int) -> float:
    # What follows the name, which may hold blanks.
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
