"""What a process may have, cut short for real by the operating system; needs POSIX."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """No file can grow beyond `room` bytes: writes fail in the operating system, for real."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def with_memory(room: int, work: Callable[[], int], said: Path) -> int:
    """Runs work in a forked process that can take no more than `room` bytes of memory.

    Args:
        room: Bytes beyond what this process has.
        work: Gives the exit code.
        said: Takes what it writes to both of its streams.

    Returns:
        Its exit code, or minus the signal that killed it.
    """
    import resource

    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        stream = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(stream, number)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + room
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        with (
            open(1, "w", closefd=False) as out,
            open(2, "w", closefd=False) as err,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = work()
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)
