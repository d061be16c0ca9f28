import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.places import ROOT
from train.loop.machine import usable_cores, use_threads


def fake_machine(folder: Path, cores: int) -> Path:
    """Eight hardware threads on some cores."""
    for number in range(8):
        topology = folder / f"cpu{number}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{number % cores}")
    return folder


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="not Linux")
@pytest.mark.parametrize(
    ("quota", "expected"),
    [(None, 4), ("max 100000", 4), ("250000 100000", 3), ("900000 100000", 4), ("1 100000", 1)],
)
def test_threads_of_one_core_count_once_and_a_quota_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    cpus, limit = fake_machine(tmp_path / "cpu", cores=4), tmp_path / "cpu.max"
    if quota is not None:
        limit.write_text(quota)
    assert usable_cores(cpus, limit) == expected
    assert usable_cores(tmp_path / "nowhere", tmp_path / "none") == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4, 5})
    assert usable_cores(cpus, tmp_path / "none") == 2, "0 and 4 are one core"


def test_what_is_asked_for_comes_before_the_environment_and_that_before_the_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    use_threads(7)
    use_threads(0)
    assert used == [7]
    monkeypatch.delenv("OMP_NUM_THREADS")
    use_threads(0)
    assert used[1:] == ([] if usable_cores() is None else [usable_cores()])


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [(None, "PASSIVE"), pytest.param("ACTIVE", "ACTIVE", marks=pytest.mark.slow)],
)
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(
    theirs: str | None, expected: str
) -> None:
    """OpenMP itself says what it read: the policy has to be there before torch is imported."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "TRUE"} | ({"OMP_WAIT_POLICY": theirs} if theirs else {})
    command = [sys.executable, str(ROOT / "train" / "run.py"), "nothing"]
    said = subprocess.run(  # noqa: PLW1510 - a recipe of that name is refused
        command, env=environment, capture_output=True, text=True, timeout=200
    ).stderr
    shown = re.search(r"OMP_WAIT_POLICY ?= ?'(\w+)'", said)
    if shown is None:
        assert "nothing" in said
        pytest.skip("this PyTorch has another kind of threads")
    assert shown[1] == expected
