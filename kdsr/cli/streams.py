"""What the command says, and how it ends: lines, errors in one line each, Ctrl-C at any moment."""

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple, TextIO

from ..errors import KDSRError, is_out_of_memory, printable

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_remarks: list[str] = []


def stopped() -> str:
    """What is said when the command ends before it is done."""
    said = "; ".join(("stopped; nothing half-written is left", *_remarks))
    _remarks.clear()
    return said


@contextlib.contextmanager
def remarking(remark: str) -> Iterator[None]:
    """Adds a remark to that, for as long as the block runs or is left by Ctrl-C."""
    _remarks.append(remark)
    try:
        yield
    except Exception:
        _remarks.clear()
        raise
    _remarks.clear()


def exit_on_signals() -> None:
    """From now on these signals end the process, with 128 + their number, and leave nothing behind.

    For the process of the command alone. No exception is raised, as those get lost, or end in a
    traceback or an abort, where they meet an import or a callback from C. What the process was
    started to ignore (`nohup`, a shell's background job) stays ignored.
    """
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    atomic = sys.modules.get("kdsr.atomic")  # not loaded: nothing was written
    if atomic is not None:
        atomic.abandon()
    with contextlib.suppress(Exception):
        os.write(2, f"kdsr: {stopped()}\n".encode())
    os._exit(128 + number)


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


VERBOSE = "KDSR_VERBOSE"
"""Environment variable that does what `--verbose` does."""

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """What is to be said of an error; unlike some errors it can go from machine to machine."""

    code: int
    line: str
    details: str
    """The traceback."""


def explained(error: Exception) -> Failure:
    """What is to be said of it: code 2 for what the user can mend, 1 for a mistake in kdsr."""
    return Failure(*_said(error), "".join(traceback.format_exception(error)))


def report(error: Exception | Failure, about: str = "") -> int:
    """Says in one line what went wrong; returns the exit code.

    Args:
        error: Here, or elsewhere.
        about: What it is about, if the line itself does not say so.
    """
    failure = error if isinstance(error, Failure) else explained(error)
    _log.debug("%s", failure.details)
    complain(failure.line if about in failure.line else f"{about}: {failure.line}")
    return failure.code


def _said(error: Exception) -> tuple[int, str]:
    """The exit code and the line."""
    if isinstance(error, KDSRError):
        return 2, str(error)
    if is_out_of_memory(error):
        remedy = "close other programs, or take a smaller image, --size or --tile"
        return 2, f"not enough memory; {remedy}"
    if isinstance(error, OSError):
        named = isinstance(error.filename, str | bytes)
        where = f"{os.fsdecode(error.filename)}: " if named else ""
        return 2, f"{where}{error.strerror or _first_line(error)}"
    wrong = f"a mistake in kdsr ({type(error).__name__}: {_first_line(error)})"
    return 1, f"{wrong}; please report it with what --verbose says"


@contextmanager
def listening(*, verbose: bool) -> Iterator[None]:
    """Shows what the library logs, one line each; with `verbose` also what all libraries log.

    Args:
        verbose: Or the environment says so.
    """
    root, kdsr = logging.getLogger(), logging.getLogger(__name__.split(".")[0])
    everything = verbose or os.environ.get(VERBOSE, "0") not in ("", "0")
    handler = _Lines(everything=everything)
    root.addHandler(handler)
    before = kdsr.level
    if everything:
        kdsr.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        kdsr.setLevel(before)
        root.removeHandler(handler)


class _Lines(logging.Handler):
    """Log records as the command's own lines."""

    def __init__(self, *, everything: bool) -> None:
        super().__init__()
        self.everything = everything

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one record."""
        if self.everything:
            detail(self.format(record))
        elif record.levelno >= logging.WARNING and record.name.startswith(__name__.split(".")[0]):
            note(f"warning: {record.getMessage()}")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or "no more is known"
