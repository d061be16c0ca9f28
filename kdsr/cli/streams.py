"""What the command says: lines that any terminal shows, on streams that may be closed or full."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from ..errors import printable

_CLOSED = (errno.EPIPE, errno.EINVAL)  # EINVAL on Windows

_lost: list[str] = []  # why lines could not be written to standard output


def say(line: str) -> None:
    """Writes a line to standard output.

    Never an error: what a command says about a result must not undo the result. A reader that
    closed the pipe had enough; any other trouble is told by `flush_output`.

    Args:
        line: Control characters, and what the stream's encoding lacks, are escaped.
    """
    try:
        _write(sys.stdout, line)
    except OSError as error:
        _drop(sys.stdout)
        if error.errno not in _CLOSED:
            _lost.append(error.strerror or str(error))


def complain(message: str) -> None:
    """Writes one line about what went wrong to standard error."""
    note(f"error: {message}")


def note(message: str) -> None:
    """Writes one line that is no result to standard error."""
    detail(f"kdsr: {printable(message)}")


def detail(text: str) -> None:
    """Writes text as it is, of several lines if need be, to standard error."""
    try:
        for line in text.split("\n"):
            _write(sys.stderr, line)
    except OSError:
        _drop(sys.stderr)


def ensure_streams() -> None:
    """Makes sure that there are standard streams, so that no file can get their descriptors.

    What a library prints to a descriptor that was closed at the start would land in the first file
    that is opened. For the process of the command alone.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> int:
    """Flushes standard output; Python would end with a traceback where that fails.

    Returns:
        2, after saying why, if something could not be written to it since the last call; else 0.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except ValueError:  # closed by whoever called
        pass
    except OSError as error:
        _drop(sys.stdout)
        if error.errno not in _CLOSED:
            _lost.append(error.strerror or str(error))
    if not _lost:
        return 0
    complain(f"standard output: {_lost[0]}")
    _lost.clear()
    return 2


def _write(stream: TextIO | None, line: str) -> None:
    if stream is None or stream.closed:
        return
    encoding = stream.encoding or "utf-8"
    shown = printable(line).encode(encoding, "backslashreplace").decode(encoding)
    with _bars_aside(stream):
        stream.write(shown + "\n")
        stream.flush()


@contextlib.contextmanager
def _bars_aside(stream: TextIO) -> Iterator[None]:
    """Takes progress bars away while a line is written where they are shown."""
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    # Without a bar nothing is to be locked: making the lock takes memory, which may have run out.
    if bars is None or not getattr(bars, "_instances", None):
        yield
        return
    with bars.external_write_mode(file=stream):
        yield


def _drop(stream: TextIO | None) -> None:
    """Sends what is still buffered, and all that follows, nowhere."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
