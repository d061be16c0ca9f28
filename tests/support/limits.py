"""What a process may have, cut short for real by the operating system; needs POSIX."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from tests.support.places import ROOT


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


@contextlib.contextmanager
def limited_command(folder: Path) -> Iterator[Callable[[int, list[str]], tuple[int, str]]]:
    """The `kdsr` command in `folder`, in processes that can take only so much memory.

    Yields:
        From bytes and arguments to the exit code (or minus a signal) and what was said. The bytes
        are beyond what PyTorch and the command take when they are imported: each run is a fork of a
        process that did nothing else, as one that ran tests has freed memory to draw on.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.limits"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:

        def run(room: int, arguments: list[str]) -> tuple[int, str]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([room, arguments]) + "\n")
            process.stdin.flush()
            code, said = json.loads(process.stdout.readline())
            return code, said

        yield run


def _serve() -> None:
    """Answers the requests of `limited_command`."""
    import torch

    import kdsr.cli.parser

    # Without what `main` speaks with, Python itself breaks, in words that no program can change.
    import kdsr.cli.streams  # noqa: F401
    from kdsr.cli import main

    torch.set_num_threads(1)  # threads do not survive a fork
    for line in sys.stdin:
        room, arguments = json.loads(line)
        with tempfile.TemporaryFile("w+") as said:
            code = _forked(room, lambda arguments=arguments: main(arguments), said)
            said.seek(0)
            sys.stdout.write(json.dumps([code, said.read()]) + "\n")
            sys.stdout.flush()


def _forked(room: int, work: Callable[[], int], said: TextIO) -> int:
    import resource

    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        sys.stdout = sys.stderr = said
        for number in (1, 2):  # what libraries write by themselves is said, too
            os.dup2(said.fileno(), number)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + room
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        code = work()
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc(file=said)
    finally:
        said.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
