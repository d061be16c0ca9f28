"""Limits on a process's memory and disk, enforced by the operating system; needs POSIX."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
import torch
from PIL import Image

from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.places import ROOT


@contextlib.contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """Limits the size of files to `room` bytes: writes fail in the operating system."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, most: int, error: BaseException
) -> list[int]:
    """Lets a method fail beyond so many pixels; returns those it is asked for, call by call."""
    original, asked = getattr(owner, method), []

    def forgetful(self: Any, x: torch.Tensor) -> Any:
        asked.append(x.shape[0] * x.shape[-2] * x.shape[-1])
        if asked[-1] > most:
            raise error
        return original(self, x)

    monkeypatch.setattr(owner, method, forgetful)
    return asked


@contextlib.contextmanager
def limited_command(folder: Path) -> Iterator[Callable[[int, list[str]], tuple[int, str]]]:
    """The `kdsr` command in `folder`, in processes that can take only so much memory.

    Yields:
        From bytes and arguments to the exit code (or minus a signal) and what was said. The bytes
        are beyond what PyTorch and the command take when they are imported: each run is a fork of a
        process that upscaled one tiny picture and did nothing else, as one that ran tests has freed
        memory to draw on. Without that picture the C library may end a process that loads a library
        or uses one for the first time.
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
    _warm(main)
    for line in sys.stdin:
        room, arguments = json.loads(line)
        with tempfile.TemporaryFile("w+") as said:
            code = _forked(room, lambda arguments=arguments: main(arguments), said)
            said.seek(0)
            sys.stdout.write(json.dumps([code, said.read()]) + "\n")
            sys.stdout.flush()


def _warm(main: Callable[[list[str]], int]) -> None:
    """Upscales and estimates a tiny picture."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        save_checkpoint(make_tiny(), folder / "m.safetensors")
        Image.new("RGB", (16, 16), "teal").save(folder / "a.png")
        given = [str(folder / "a.png"), "--model", str(folder / "m.safetensors"), "-o"]
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(["upscale", *given, str(folder / "o.webp"), "--map", "3"]) == 0
            assert main(["estimate", *given, str(folder / "o.safetensors")]) == 0


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
