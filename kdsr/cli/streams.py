"""Messages of the command and its end: lines, one-line errors, signals."""

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
    """The message for a command that ends early."""
    said = "; ".join(("stopped; nothing half-written is left", *_remarks))
    _remarks.clear()
    return said


@contextlib.contextmanager
def remarking(remark: str) -> Iterator[None]:
    """Adds a remark to `stopped`, while the block runs or if Ctrl-C ends it."""
    _remarks.append(remark)
    try:
        yield
    except Exception:
        _remarks.clear()
        raise
    _remarks.clear()


def exit_on_signals() -> None:
    """Makes signals end the process with 128 + their number and remove half-written files.

    Use it only in the process of the command. It raises no exception, as imports and callbacks
    from C lose exceptions or abort. Signals that were ignored at the start (`nohup`, a shell's
    background job) stay ignored.
    """
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    atomic = sys.modules.get("kdsr.atomic")  # if it is not loaded, nothing was written
    if atomic is not None:
        atomic.abandon()
    with contextlib.suppress(Exception):
        os.write(2, f"kdsr: {stopped()}\n".encode())
    os._exit(128 + number)


_CLOSED = (errno.EPIPE, errno.EINVAL)  # EINVAL on Windows

_lost: list[str] = []  # reasons why lines could not be written to standard output


def say(line: str) -> None:
    """Writes a line to standard output.

    It never raises, as a failed message must not undo a result. A closed pipe is no error;
    `flush_output` reports all others.

    Args:
        line: Text; control characters, and characters outside of the encoding, are escaped.
    """
    try:
        _write(sys.stdout, line)
    except OSError as error:
        _drop(sys.stdout)
        if error.errno not in _CLOSED:
            _lost.append(error.strerror or str(error))


def complain(message: str) -> None:
    """Writes one line about an error to standard error."""
    note(f"error: {message}")


def note(message: str) -> None:
    """Writes one line of information to standard error."""
    detail(f"kdsr: {printable(message)}")


def detail(text: str) -> None:
    """Writes text of any number of lines to standard error."""
    try:
        for line in text.split("\n"):
            _write(sys.stderr, line)
    except OSError:
        _drop(sys.stderr)


def ensure_streams() -> None:
    """Opens missing standard streams, so that no file gets their descriptors.

    Otherwise, libraries that print to a closed descriptor would write into the first opened file.
    Use it only in the process of the command.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> int:
    """Flushes standard output; if this failed at Python's exit, it would end with a traceback.

    Returns:
        2, after an error message, if writing has failed since the last call; otherwise 0.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except ValueError:  # the caller has closed it
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
    """Hides progress bars while a line is written."""
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    # Without a bar there is no lock to take. Creating it needs memory, which may have run out.
    if bars is None or not getattr(bars, "_instances", None):
        yield
        return
    with bars.external_write_mode(file=stream):
        yield


def _drop(stream: TextIO | None) -> None:
    """Redirects buffered and future output to nowhere."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


VERBOSE = "KDSR_VERBOSE"
"""Environment variable with the effect of `--verbose`."""

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Description of an error; unlike some errors, it can be sent between machines."""

    code: int
    """Exit code."""
    line: str
    """Message of one line."""
    details: str
    """Traceback."""


def explained(error: Exception) -> Failure:
    """Describes an error: code 2 if the user can correct it, 1 for a bug in kdsr."""
    return Failure(*_said(error), "".join(traceback.format_exception(error)))


def report(error: Exception | Failure, about: str = "") -> int:
    """Prints an error in one line; returns the exit code.

    Args:
        error: An error of this process, or a failure from elsewhere.
        about: Subject of the error, added if the message does not contain it.
    """
    failure = error if isinstance(error, Failure) else explained(error)
    _log.debug("%s", failure.details)
    complain(failure.line if about in failure.line else f"{about}: {failure.line}")
    return failure.code


def _said(error: Exception) -> tuple[int, str]:
    """Exit code and message of an error."""
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
    """Shows warnings of kdsr, one line each; with `verbose` all log messages of all libraries.

    Args:
        verbose: Whether to show all messages; the environment variable `VERBOSE` can set it, too.
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
    """Prints log records as lines of the command."""

    def __init__(self, *, everything: bool) -> None:
        super().__init__()
        self.everything = everything

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record."""
        if self.everything:
            detail(self.format(record))
        elif record.levelno >= logging.WARNING and record.name.startswith(__name__.split(".")[0]):
            note(f"warning: {record.getMessage()}")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or "no more is known"
