"""Signals that stop a run of workers elsewhere: it ends in order, then the signal has its way."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupted(Exception):  # noqa: N818 - not an error
    """A signal came.

    Args:
        number: Its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def resume(self) -> None:
        """Sends the signal again, for whoever listened to it before."""
        signal.raise_signal(self.number)


@contextmanager
def interrupting() -> Iterator[None]:
    """In the block, which runs in a task of asyncio, a signal raises `Interrupted`.

    Only the first; then the handlers from before are in force again, so that a second one ends the
    process at once if that is what they do. What the process was started to ignore stays ignored.
    Outside the main thread nothing is changed.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    before: dict[int, Any] = {}
    received: list[int] = []

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        restore()
        loop.call_soon_threadsafe(task.cancel)

    if threading.current_thread() is threading.main_thread():
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if received:
            raise Interrupted(received[0]) from None
        raise
    finally:
        restore()
