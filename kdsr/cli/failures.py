"""How the command says what went wrong: one line an error, the details on request."""

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..errors import KDSRError
from ..memory import is_out_of_memory
from .streams import complain, detail, note

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
    """What `report` would say."""
    return Failure(*_said(error), "".join(traceback.format_exception(error)))


def report(error: Exception) -> int:
    """Says in one line what went wrong.

    Returns:
        The exit code: 2 for what the user can mend, 1 for a mistake in this program.
    """
    _log.debug("%s", type(error).__name__, exc_info=error)
    code, line = _said(error)
    complain(line)
    return code


def report_failure(failure: Failure, about: str) -> int:
    """Says what went wrong elsewhere; see `report`.

    Args:
        failure: From `explained`.
        about: What it is about, if the line itself does not say so.
    """
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
