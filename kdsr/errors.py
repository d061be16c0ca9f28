"""Errors that state expected value, actual value and remedy; detection of memory shortages."""

import errno
import logging
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (bidi), surrogate, line separators


def printable(text: str) -> str:
    """Makes text safe for one line on a terminal: escapes control characters.

    File names, metadata and tensor names come from strangers. As they are they could move the
    cursor, change what was printed before, or fail to encode.
    """
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in _UNSEEN else character
        for character in text
    )


class KDSRError(ValueError):
    """Base class of all errors that a user can cause and correct; its message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ConfigError(KDSRError):
    """A configuration that cannot be built; lists every problem, not only the first."""


class CheckpointError(KDSRError):
    """A weights file that cannot be read as the KDSR model that was asked for."""


class HubError(KDSRError):
    """A model that could not be found, downloaded or verified."""


class ImageError(KDSRError):
    """An image file or tensor that cannot be upscaled."""


class VideoError(KDSRError):
    """A video that cannot be read, or written."""


class ClusterError(KDSRError):
    """A cluster that cannot be reached, or whose workers cannot do the work."""


class IDRError(KDSRError):
    """An IDR that does not fit the model, the batch or the file format."""


class OutOfMemoryError(KDSRError):
    """Memory is too small even for the smallest step of the work."""


class Cancelled(Exception):  # noqa: N818 - a request that was honoured, not an error
    """The caller asked to stop; no partial result is returned."""


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
        task: Description of the task, such as "to read a.png".
        remedy: Advice for the message.

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
    """Raises an error if work cannot fit into memory, before anything is allocated.

    Systems may grant more memory than they have, and then kill the process that uses it.

    Args:
        needed: Peak memory of the work in bytes.
        what: Description of the work, for the message.

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
    """Formats a number of bytes for people."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def free_host_memory(*, swap: bool = False) -> int | None:
    """Free memory of this process in bytes, or None if the system does not report it.

    The least of what the machine has, what its container may use and what `ulimit -v` leaves.

    Args:
        swap: Whether to include swap space.
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
    """Free memory by the limits of this process's control groups, such as a SLURM job's."""
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


@contextmanager
def reading(path: Path, kind: type[KDSRError], damaged: str) -> Iterator[None]:
    """Runs a decoder: a file that is missing, unreadable or damaged raises `kind`.

    Decoders throw anything at damaged files (struct.error, AssertionError, IndexError,
    RecursionError, ...), so nobody lists exceptions. Errors of this package raised in the block
    need not name the file.

    Args:
        path: The file.
        kind: Class of the error to raise.
        damaged: Message for damaged content, such as "the image is damaged".

    Raises:
        KDSRError: Of that kind, with one line that begins with the path.
    """
    try:
        _check_file(path)
        yield
    except KDSRError as error:
        raise kind(f"{path}: {error}") from None
    except BaseException as error:  # that is what this function is for
        if not isinstance(error, Exception) and not is_out_of_memory(error):
            raise
        raise kind(f"{path}: {_reason(error, damaged)}") from None


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise KDSRError("a folder or device, not a file" if path.exists() else "no such file")
    with path.open("rb") as file:
        if not file.read(1):
            raise KDSRError("the file is empty (0 bytes)")


def _reason(error: BaseException, damaged: str) -> str:
    if is_out_of_memory(error):
        return (
            "there is not enough memory to read it; close other programs, or get the file again if "
            "it is damaged and asks for too much"
        )
    # Decoders seek to where damaged files send them, which is EINVAL; the rest is the disk's word.
    if isinstance(error, OSError) and error.strerror and error.errno != errno.EINVAL:
        return f"the file cannot be read: {error.strerror}"
    detail = next(iter(str(error).strip().splitlines()), "")
    return f"{damaged} ({detail or type(error).__name__})"
