"""The host's memory: how much there is, what a shortage looks like, and how to say it."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import KDSRError, OutOfMemoryError

_SIGNS = (
    "out of memory",  # PyTorch on a GPU, Pillow
    "not enough memory",  # PyTorch on Windows
    "allocate memory",  # can't, cannot or could not: PyTorch on the CPU, the system itself
    "bad_alloc",  # C++
    "alloc_failed",  # cuDNN, cuBLAS
    "could not create a primitive",  # oneDNN says no more than that
    "could not execute a primitive",
    "coder error -9",  # Pillow, where it does not translate its own codes
    "can't start new thread",
    "pyobject pointer is null",  # safetensors, whose panics are no `Exception`
    "unexpected pos",  # PyTorch's archive writer, into a buffer that cannot grow
)
_CGROUPS = (  # folder, limit, use, and the line of memory.stat with what is given up for others
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_log = logging.getLogger(__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that an allocation failed, on any device and in any library."""
    if isinstance(error, KDSRError):
        return isinstance(error, OutOfMemoryError)
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    if isinstance(error, SystemError):  # C code that failed to allocate even its own exception
        return "without" in text and "exception" in text
    if isinstance(error, ImportError):  # libraries "cannot allocate memory in static TLS", too
        return "failed to map segment" in text
    return any(sign in text for sign in _SIGNS)


@contextmanager
def explaining_shortage(task: str, remedy: str = "close other programs") -> Iterator[None]:
    """Raises one error for every kind of shortage in the block; decorates functions, too.

    Args:
        task: What there is not enough memory for, as in "to read a.png".
        remedy: What to do about it.

    Raises:
        OutOfMemoryError: Instead of what the library that met the shortage raised.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, KDSRError) or not is_out_of_memory(error):
            raise
        _log.debug("memory ran out", exc_info=True)
        raise OutOfMemoryError(f"not enough memory {task}; {remedy}") from None


def check_room(needed: int, what: str) -> None:
    """Refuses what cannot fit, before anything is allocated.

    Systems promise more memory than there is, and kill the process that takes them at their word.

    Args:
        needed: Bytes that will be in use at a time.
        what: They are for.

    Raises:
        OutOfMemoryError: With both numbers. Where the system does not say how much is free,
            nothing is refused.
    """
    free = free_host_memory(swap=True)
    if free is not None and needed > free:
        raise OutOfMemoryError(
            f"{what} needs about {in_words(needed)} of memory, and {in_words(free)} are free; "
            "choose a smaller size, or close other programs"
        )


def in_words(count: int) -> str:
    """Bytes as people write them."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def free_host_memory(*, swap: bool = False) -> int | None:
    """Bytes that this process may still take, or None where the system does not say.

    The least of what the machine has, what its container may use and what `ulimit -v` leaves.

    Args:
        swap: Count the disk's swap space, too.
    """
    machine = _meminfo("MemAvailable", "SwapFree") if swap else _meminfo("MemAvailable")
    known = [free for free in (machine, _container(), _address_space()) if free is not None]
    return max(0, min(known)) if known else None


def _meminfo(*names: str) -> int | None:
    with suppress(OSError, ValueError, KeyError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        table = dict(line.split(":", 1) for line in lines)
        return sum(int(table[name].split()[0]) * 1024 for name in names)
    return None


def _container(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> int | None:
    """What the control groups of this process leave: a SLURM job's, say, and those above it."""
    known = []
    for folder, limit, used, reclaimable in _CGROUPS:
        group = _group(own, folder)
        for part in (group, *group.parents):
            place = root / folder / part
            with suppress(OSError, ValueError, KeyError):  # "max" is no limit
                free = int((place / limit).read_text()) - int((place / used).read_text())
                lines = (place / "memory.stat").read_text().splitlines()
                known.append(free + int(dict(line.split() for line in lines)[reclaimable]))
    return min(known, default=None)


def _group(own: Path, controller: str) -> Path:
    """The control group of this process, relative to its root; "" is the one of version 2."""
    with suppress(OSError, ValueError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            if controller in controllers.split(","):
                return Path(group.lstrip("/"))
    return Path()


def _address_space() -> int | None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            return limit - pages * os.sysconf("SC_PAGE_SIZE")
    return None
