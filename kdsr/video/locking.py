"""A file that one process holds at a time; the system lets go of it whatever ends the process."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import VideoError

_TRIES = 10  # a file that was removed just when it was opened is nobody's any more


@contextmanager
def holding(path: Path, busy: str) -> Iterator[None]:
    """Holds a file during the block; makes it, with its folder, and removes it in the end.

    A file system that knows no locks is taken at its word: then nothing is held.

    Args:
        path: The file.
        busy: What to say if another process holds it.

    Raises:
        VideoError: Then.
        OSError: If the file cannot be made.
    """
    descriptor = _held(path, busy)
    try:
        yield
    finally:
        if sys.platform == "win32":  # where what is open cannot be removed
            os.close(descriptor)
            path.unlink(missing_ok=True)
        else:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _held(path: Path, busy: str) -> int:
    for _ in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(descriptor):
            os.close(descriptor)
            raise VideoError(busy)
        if _is_there(path, descriptor):
            return descriptor
        os.close(descriptor)
    raise VideoError(busy)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    """Whether it is not another's."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks there
        pass
    return True
