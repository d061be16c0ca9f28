"""Ray, which `kdsr` does without until there is a cluster: one of its own, or one that runs."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TextIO, cast

from ..errors import ClusterError, ConfigError

AUTO = "auto"
"""The address that means a cluster of this machine alone, for this run alone."""
_ANSWER = 10.0  # seconds
_STORE = 100_000_000  # bytes: names and lines are all that workers and driver exchange


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
def connected(address: str) -> Iterator[ModuleType]:
    """Yields Ray, connected; in the end leaves the cluster, or ends it if it is one of its own.

    Args:
        address: `AUTO`, or HOST:PORT as `ray start --head` says it.

    Raises:
        ConfigError: If the address cannot be one.
        ClusterError: If Ray is not installed, or no cluster answers.
    """
    ray = load_ray()
    if address != AUTO:
        _check_answers(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    options: dict[str, Any] = {"address": address}
    if address == AUTO:
        os.environ.setdefault("RAY_worker_niceness", "0")  # no lower priority than this process
        options = {"address": "local", "include_dashboard": False, "object_store_memory": _STORE}
    with _quiet_output():
        try:
            with _signals_kept():
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # noqa: BLE001 - Ray raises that, too, when a start takes long
            leave(ray)
            reason = str(error).strip().split("\n")[0]
            raise ClusterError(
                f"cannot work on the cluster {address}: {reason}; is it running (`ray status`) "
                "with the same Python and Ray as here, and is its token here if it wants one "
                "(RAY_AUTH_MODE=token)?"
            ) from None
        try:
            yield ray
        finally:
            leave(ray)


def leave(ray: ModuleType) -> None:
    """Leaves the cluster, or ends it if it is one of its own; does nothing the second time."""
    with _signals_kept():
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Asks itself, at once: Ray would try for half a minute, and write a line a second."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in address or not (port.isascii() and port.isdigit()):
        raise ConfigError(
            f"--cluster expects auto or HOST:PORT, got {address!r}; run kdsr on a machine of the "
            "cluster, with the address that `ray start --head` printed"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no cluster answers at {address} ({error}); start one with `ray start --head`, and "
            "see `ray status` for its address"
        ) from None


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and leaves it to the system in the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _quiet_output() -> Iterator[None]:
    """Keeps what Ray's own threads print of dead workers, in many words, out of the results."""
    if sys.stdout is None:
        yield
        return
    before = sys.stdout
    sys.stdout = cast("TextIO", _Sieve(before))
    try:
        yield
    finally:
        sys.stdout = before


class _Sieve:
    """A stream that loses what Ray's threads write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Passes text on, or not."""
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
