"""Ctrl-C and its like, at any moment: from the first import to the last byte of a result."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

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
