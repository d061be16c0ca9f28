"""Ctrl-C and its like, at any moment: from the first import to the last byte of a result."""

import contextlib
import os
import signal
import sys
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
STOPPED = "kdsr: stopped; nothing half-written is left\n"


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
        os.write(2, STOPPED.encode())
    os._exit(128 + number)
