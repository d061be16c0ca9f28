"""Ray, which `kdsr` does without until there is a cluster: connect, and leave in order."""

import io
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import FrameType, ModuleType
from typing import Any, TextIO, TypeVar, cast

from ..errors import Cancelled, ClusterError, ConfigError
from .pool import WorkerPool

State = TypeVar("State")

LOCAL = "local"
"""The address of a cluster of this machine alone, for this run alone."""
_NAMED = ("auto", LOCAL)
_ANSWER = 10.0  # seconds
_STORE = 100_000_000  # bytes: names and lines are all that workers and driver exchange
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def load_ray() -> ModuleType:
    """The `ray` module.

    Raises:
        ClusterError: If Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            f"--cluster needs Ray, which this Python does not have ({error}); install it with: "
            'python -m pip install "kdsr[cluster]"'
        ) from None
    return ray


@contextmanager
def worker_pool(
    address: str, device: str, opener: Callable[[str], State], most: int
) -> Iterator[WorkerPool[State]]:
    """Yields workers on all machines of a cluster; in the end they stop and the cluster is left.

    SIGINT, SIGTERM and SIGHUP end the block so, too, and then take their usual course.

    Args:
        address: As Ray takes it: "auto" for the cluster that runs here, "local" for one of this
            machine alone, or HOST:PORT.
        device: One of `kdsr.cluster.pool.DEVICES`.
        opener: Gets "cuda" or "cpu", gives what the work takes. Called once in each worker.
        most: How many workers there is work for.

    Raises:
        ConfigError: If address or device are none.
        ClusterError: If Ray is not installed, no cluster answers, or it lacks such a device.
    """
    ray = load_ray()
    if address not in _NAMED:
        _check_answers(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    options: dict[str, Any] = {"address": address}
    if address == LOCAL:
        os.environ.setdefault("RAY_worker_niceness", "0")  # no lower priority than this process
        options |= {"include_dashboard": False, "object_store_memory": _STORE}
    with _handlers_kept(), _quiet():
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # noqa: BLE001 - Ray raises that, too, when a start takes long
            _leave(ray)
            reason = str(error).strip().split("\n")[0]
            raise ClusterError(
                f"cannot work on the cluster {address}: {reason}; is it running (`ray status`) "
                "with the same Python and Ray as here, and is its token here if it wants one "
                "(RAY_AUTH_MODE=token)? `--cluster local` starts one of this machine alone"
            ) from None
        stopped: list[int] = []
        try:
            with _stopping(stopped):
                pool = WorkerPool(ray, device, opener, most)
                try:
                    yield pool
                finally:
                    pool.close()
        finally:
            _leave(ray)
    if stopped:
        signal.raise_signal(stopped[0])
        raise Cancelled  # of a host that goes on


def _leave(ray: ModuleType) -> None:
    """Leaves in silence: Ray says then what it held back of dead workers."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Asks itself, at once: Ray would try for half a minute, and write a line a second."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in address or not (port.isascii() and port.isdigit()):
        raise ConfigError(
            f"--cluster expects auto, local or HOST:PORT, got {address!r}; run kdsr on a machine "
            "of the cluster, with the address that `ray start --head` printed"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no cluster answers at {address} ({error}); start one with `ray start --head`, and "
            "see `ray status` for its address"
        ) from None


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and leaves it to the system in the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _WithoutRay:
    """A stream that loses what Ray's own threads say of dead workers, in many words."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Passes text on, or not."""
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Standard output and errors belong to the command."""
    with ExitStack() as streams:
        for stream, redirected in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            if stream is not None:
                streams.enter_context(redirected(cast("TextIO", _WithoutRay(stream))))
        yield


@contextmanager
def _stopping(stopped: list[int]) -> Iterator[None]:
    """In the block the first signal raises, and is noted; a second one has its usual effect."""
    before: dict[int, Any] = {}

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        restore()
        raise KeyboardInterrupt  # the one exception that Ray lets through while it waits

    if threading.current_thread() is threading.main_thread():
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        if not stopped:
            raise
    finally:
        restore()
