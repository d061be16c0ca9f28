"""How a run ends before its last step."""

import contextlib
import signal
import time
from types import FrameType


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

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._reason is not None:
            raise KeyboardInterrupt
        self._reason = f"{signal.Signals(number).name} was received"
