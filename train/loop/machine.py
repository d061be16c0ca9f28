"""How a training uses the machine: its threads, and the memory that it frees."""

import contextlib
import ctypes
import math
import os
import sys
from pathlib import Path

import torch


def keep_freed_memory() -> None:
    """Tells glibc to keep freed memory for the next step instead of giving it back to the system.

    Every step allocates the same megabytes; without this the system clears their pages anew each
    time. Does nothing where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: up to this size from the heap
        mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


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
