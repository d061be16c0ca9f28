"""How a run ends before its last step, and what keeps it fast until then."""

import contextlib
import ctypes
import signal
import sys
import time
from types import FrameType, TracebackType


class StopRequest:
    """Asks for a clean stop at a deadline or on the first Ctrl-C or SIGTERM.

    Use it as a context manager; call it to hear the reason, or None. A second Ctrl-C stops at once.

    Args:
        seconds: Until the deadline; 0 for none.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._deadline = time.monotonic() + seconds if seconds > 0 else None
        self._reason: str | None = None
        self._previous: dict[int, object] = {}

    def __call__(self) -> str | None:
        """Why to stop now, or None."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            return "the time limit was reached"
        return self._reason

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # handlers belong to the main thread
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._reason is not None:
            raise KeyboardInterrupt
        self._reason = f"{signal.Signals(number).name} was received"


def keep_freed_memory() -> None:
    """Tells glibc to keep freed memory for the next step instead of giving it back to the system.

    Every step allocates the same megabytes; without this the system clears their pages anew each
    time. Does nothing where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: up to this size from the heap
        mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
