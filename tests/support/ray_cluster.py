"""A Ray cluster of two cores on this machine, and the `kdsr` command that works on it."""

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

from tests.support.places import ROOT

Found = TypeVar("Found")
_PATIENCE = 500.0  # seconds; only reached where a test fails
_CLUSTER = """
import sys, ray
for attempt in range(5):  # Ray gives up after 30 s, which a machine with other work needs
    try:
        found = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
                         object_store_memory=100_000_000, logging_level="ERROR")
        break
    except Exception:
        ray.shutdown()
print(found.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""
_ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # 15 takes for ever on a machine that has other work
    "RAY_AUTH_MODE": "token",  # nobody else may use it
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


class Cluster:
    """A cluster that runs.

    Args:
        process: Process that started the cluster, and ends it when its standard input ends.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._process = psutil.Process(process.pid)
        self.address = process.stdout.readline().strip()
        assert self.address, "the cluster did not start"

    def workers(self, at: str = "") -> list[psutil.Process]:
        """Its workers that a driver has, or those that are just now at one of their methods."""
        found = []
        for child in self._process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if " ".join(child.cmdline()).startswith(f"ray::Worker{at and '.'}{at}"):
                    found.append(child)
        return found


@contextlib.contextmanager
def cluster_of_two() -> Iterator[Cluster]:
    """Starts a cluster, and ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER],
        env=_ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Cluster(process)
        assert process.stdin is not None
        process.stdin.close()


def kdsr(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Starts the command in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "kdsr", *arguments],
        cwd=folder,
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(
    condition: Callable[[], Found], meanwhile: "subprocess.Popen[str] | None" = None
) -> Found:
    """Waits for something that takes its time, and that a process has to live for; returns it."""
    end = time.monotonic() + _PATIENCE
    while not (found := condition()):
        if meanwhile is not None and meanwhile.poll() is not None:
            raise AssertionError(meanwhile.communicate())
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found
