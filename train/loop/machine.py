"""Settings of the machine for a training: CPU threads and memory allocation."""

import contextlib
import ctypes
import math
import os
import sys
from pathlib import Path

import torch


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory for the next step instead of returning it to the system.

    Every step allocates the same memory, whose pages the system would otherwise clear each time.
    The function does nothing on systems without glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: smaller blocks come from the heap
        mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def use_threads(asked: int) -> None:
    """Sets the number of PyTorch's threads.

    PyTorch itself counts all hardware threads of the machine. Two on one core share its arithmetic
    units, and those beyond a container's quota wait for each other.

    Args:
        asked: Number of threads; 0 for OMP_NUM_THREADS if set, otherwise one per usable core.
    """
    threads = asked or (None if "OMP_NUM_THREADS" in os.environ else usable_cores())
    if threads is not None:
        torch.set_num_threads(threads)


def usable_cores(cpus: Path = _CPUS, quota: Path = _QUOTA) -> int | None:
    """Counts the cores that this process may use at once; returns None on other systems than Linux.

    Args:
        cpus: System folder that lists which hardware threads share a core.
        quota: System file with the CPU quota of a container.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    cores = len({_siblings(cpus / f"cpu{number}", number) for number in allowed})
    with contextlib.suppress(OSError, ValueError):  # no quota, or another format
        share, period = quota.read_text(encoding="ascii").split()
        cores = min(cores, math.ceil(int(share) / int(period)))
    return max(1, cores)


def _siblings(cpu: Path, number: int) -> str:
    try:
        return (cpu / "topology" / "thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return str(number)
