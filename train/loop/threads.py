"""How many threads a training uses."""

import contextlib
import math
import os
from pathlib import Path

import torch

_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def use_threads(asked: int) -> None:
    """Sets PyTorch's threads: what is asked for, else OMP_NUM_THREADS, else one for each core.

    PyTorch's own choice counts every hardware thread that the machine has. Two on one core share
    its multipliers, and those beyond a container's quota only wait for each other.

    Args:
        asked: 0 for the choice.
    """
    threads = asked or (None if "OMP_NUM_THREADS" in os.environ else usable_cores())
    if threads is not None:
        torch.set_num_threads(threads)


def usable_cores(cpus: Path = _CPUS, quota: Path = _QUOTA) -> int | None:
    """Cores that this process may use at once, or None where the system is not Linux.

    Args:
        cpus: Where the system says which hardware threads share a core.
        quota: Where it says how much a container may use.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    cores = len({_siblings(cpus / f"cpu{number}", number) for number in allowed})
    with contextlib.suppress(OSError, ValueError):  # no quota, or another way to state it
        share, period = quota.read_text(encoding="ascii").split()
        cores = min(cores, math.ceil(int(share) / int(period)))
    return max(1, cores)


def _siblings(cpu: Path, number: int) -> str:
    try:
        return (cpu / "topology" / "thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return str(number)
