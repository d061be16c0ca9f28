"""Distributes tasks among workers on many machines by Ray; independent of images."""

import io
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from functools import cached_property
from itertools import chain
from types import FrameType, ModuleType
from typing import Any, Generic, NoReturn, TextIO, TypeVar, cast

from .atomic import abandon
from .errors import Cancelled, ClusterError, ConfigError

State = TypeVar("State")
Task = TypeVar("Task")
Outcome = TypeVar("Outcome")

DEVICES = ("auto", "cpu", "cuda")
_ROOM = 2 << 30  # bytes for a worker on a CPU: PyTorch, the network's tiles, three pictures
_RETRIES = 2  # of a chunk whose worker died
_CHUNK, _CHUNKS = 16, 4  # tasks at most, and chunks for each worker at least
_PATIENCE = 120  # seconds for workers to start in; later ones are not waited for
_GRACE = 5  # seconds for workers to stop in
_CONTROL = "control"  # of Ray's concurrency groups, the one in which a busy worker hears `stop`
_LAST = {"concurrency_group": _CONTROL, "max_task_retries": 0}
_log = logging.getLogger(__name__)


class WorkerPool(Generic[State]):
    """Workers that keep their state from one run to the next.

    Args:
        ray: The module, connected.
        device: One of `DEVICES`; auto takes the GPUs of the cluster if it has any.
        opener: Gets "cuda" or "cpu", gives what the work takes. Called once in each worker.
        most: Largest useful number of workers.

    Raises:
        ConfigError: If the device is none of them.
        ClusterError: If the cluster has no such device, or no worker can open.
    """

    def __init__(
        self, ray: ModuleType, device: str, opener: Callable[[str], State], most: int
    ) -> None:
        self._ray = ray
        self.device, count, threads = planned(ray.cluster_resources(), device)
        on_gpu = self.device == "cuda"
        # Ray starts a worker that died again, elsewhere if need be, and does its chunk anew.
        actor = ray.remote(
            num_gpus=1 if on_gpu else 0,
            num_cpus=0 if on_gpu else 1,
            max_restarts=-1,
            max_task_retries=_RETRIES,
            concurrency_groups={_CONTROL: 1},
            scheduling_strategy="SPREAD",
        )(Worker)
        started = [actor.remote(opener, self.device, threads) for _ in range(min(count, most))]
        self._actors = self._opened(started)

    def run(
        self,
        step: Callable[[State, Sequence[Task]], Iterator[tuple[Task, Outcome]]],
        tasks: Iterable[Task],
    ) -> Iterator[tuple[Task, Outcome | ClusterError]]:
        """Runs a step on every task; yields each task with its result, in order of completion.

        Args:
            step: Gets what `opener` gave and a chunk of the tasks; yields each with its outcome.
                It is pickled, as are tasks and outcomes. When its worker dies it is called again
                with the same chunk, in another process.
            tasks: Each once; hashable. One whose workers died again and again comes with a
                `ClusterError`.
        """
        left = dict.fromkeys(tasks)
        size = min(_CHUNK, len(left) // (_CHUNKS * len(self._actors)))
        # The second round: of a chunk that kills its workers, most tasks do not.
        for most in (max(1, size), 1):
            waiting = list(left)
            chunks = [waiting[first : first + most] for first in range(0, len(waiting), most)]
            for task, outcome in chain.from_iterable(self._outcomes(step, chunks)):
                del left[task]
                yield task, outcome
        for task in left:
            yield task, ClusterError(f"its worker died, {_RETRIES + 1} times out of as many")

    def close(self) -> None:
        """Stops all workers; those that still answer remove their unfinished files."""
        last = [actor.stop.options(**_LAST).remote() for actor in self._actors]
        self._ray.wait(last, num_returns=len(last), timeout=_GRACE)
        for actor in self._actors:
            self._ray.kill(actor)

    def _outcomes(
        self, step: Callable, chunks: Sequence[list]
    ) -> Iterator[Sequence[tuple[Any, Any]]]:
        pool = self._ray.util.ActorPool(self._actors)
        for chunk in chunks:
            pool.submit(lambda actor, tasks: actor.work.remote(step, tasks), chunk)
        while pool.has_next():
            try:
                yield pool.get_next_unordered()
            except self._ray.exceptions.RayError as error:  # noqa: PERF203
                _log.warning("a worker died; its work is done again (%s)", _first_line(error))

    def _opened(self, actors: Sequence[Any]) -> list[Any]:
        """Keeps the workers that the cluster has room for and that could open their state."""
        calls = {actor.ready.remote(): actor for actor in actors}
        ready, late = self._ray.wait([*calls], num_returns=len(calls), timeout=_PATIENCE)
        if not ready:  # the cluster is at other work
            ready, late = self._ray.wait([*calls], num_returns=1)
        reasons = {call: self._reason(call) for call in ready}
        for call in late + [call for call in ready if reasons[call]]:
            self._ray.kill(calls.pop(call))
        if not calls:
            raise ClusterError(f"no worker of the cluster can do the work: {reasons[ready[-1]]}")
        return [*calls.values()]

    def _reason(self, call: Any) -> str:
        """Reason why a worker cannot work; empty if it can."""
        try:
            reason = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            reason = _first_line(error)
        if reason:
            _log.warning("a worker is given up, %s", reason)
        return reason


class Worker:
    """A process of the cluster, as an actor of Ray: everything comes and goes pickled."""

    def __init__(self, opener: Callable[[str], Any], device: str, threads: int) -> None:
        self._opener, self._device, self._threads = opener, device, threads

    @cached_property
    def _state(self) -> Any:
        return self._opener(self._device)

    def ready(self) -> str:
        """Reason why the state could not be opened; empty on success."""
        try:
            _ = self._state
        except Exception as error:  # noqa: BLE001 - what is not there, or a mistake: the driver says it
            return _first_line(error)
        return ""

    def work(self, step: Callable, chunk: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Results of the tasks in a chunk."""
        import torch

        torch.set_num_threads(self._threads)
        return list(step(self._state, chunk))

    def stop(self) -> NoReturn:
        """Ends the process at once; removes its unfinished files."""
        abandon()
        os._exit(0)


def planned(resources: Mapping[str, float], device: str) -> tuple[str, int, int]:
    """Device of the workers, their largest number, and the threads of each.

    One for each GPU or, where there is none, for each core that has memory for it: on CPUs many
    workers of one thread do more than few of many. Ray names the resources.

    Raises:
        ConfigError: If it is none of them.
        ClusterError: If the cluster has no such device.
    """
    if device not in DEVICES:
        raise ConfigError(
            f"--device {device} names a device of one machine; with --cluster use auto, cuda "
            "(every GPU) or cpu"
        )
    gpus, cores = (int(resources.get(name, 0)) for name in ("GPU", "CPU"))
    if gpus and device != "cpu":
        return "cuda", gpus, max(1, cores // gpus)
    if device == "cuda" or not cores:
        wanted = "GPU" if device == "cuda" else "core for work (Ray's CPU resource)"
        raise ClusterError(f"no machine of the cluster has a {wanted}")
    count = min(cores, max(1, int(resources.get("memory", 0)) // _ROOM))
    return "cpu", count, cores // count


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


LOCAL = "local"
"""The address of a cluster of this machine alone, for this run alone."""
_ANSWER = 10.0  # seconds
_STORE = 100_000_000  # bytes: names and lines are all that workers and driver exchange
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def worker_pool(
    address: str, device: str, opener: Callable[[str], State], most: int
) -> Iterator[WorkerPool[State]]:
    """Yields workers on all machines of a cluster; in the end they stop and the cluster is left.

    SIGINT, SIGTERM and SIGHUP end the block so, too, and then take their usual course.

    Args:
        address: As Ray takes it: "auto" for the cluster that runs here, "local" for one of this
            machine alone, or HOST:PORT.
        device: One of `DEVICES`.
        opener: Gets "cuda" or "cpu", gives what the work takes. Called once in each worker.
        most: Largest useful number of workers.

    Raises:
        ConfigError: If address or device are none.
        ClusterError: If Ray is not installed, no cluster answers, or it lacks such a device.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            f"--cluster needs Ray, which this Python does not have ({error}); install it with: "
            'python -m pip install "kdsr[cluster]"'
        ) from None
    options: dict[str, Any] = {"address": address}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    if address == LOCAL:
        os.environ.setdefault("RAY_worker_niceness", "0")  # no lower priority than this process
        options |= {"include_dashboard": False, "object_store_memory": _STORE}
    elif address != "auto":
        _check_answers(address)
    with _stopping() as listen, redirect_stdout(cast("TextIO", _WithoutRay(sys.stdout))):
        try:
            _connect(ray, options)
            listen()
            with closing(WorkerPool(ray, device, opener, most)) as pool:
                yield pool
        finally:  # in silence: Ray says now what it held back of dead workers
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


def _connect(ray: ModuleType, options: Mapping[str, Any]) -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # noqa: BLE001 - Ray raises that, too, when a start takes long
        raise ClusterError(
            f"cannot work on the cluster {options['address']}: {_first_line(error)}; is it running "
            "(`ray status`) with the same Python and Ray as here, and is its token here if it "
            "wants one (RAY_AUTH_MODE=token)? `--cluster local` starts one of this machine alone"
        ) from None


class _WithoutRay:
    """Standard output, but for what Ray's own threads say of dead workers, in many words."""

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
def _stopping() -> Iterator[Callable[[], None]]:
    """Once its `listen` is called the first signal raises; a second one has its usual effect.

    In the end the first has that, too. Ray takes SIGTERM for itself as it starts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    usual = {number: signal.getsignal(number) for number in numbers}
    stopped: list[int] = []

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        restore()
        raise KeyboardInterrupt  # the one exception that Ray lets through while it waits

    def listen() -> None:
        for number, handler in usual.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, stop)

    try:
        yield listen
    except KeyboardInterrupt:
        if not stopped:
            raise
    finally:
        restore()
    if stopped:
        signal.raise_signal(stopped[0])
        raise Cancelled  # of a host that goes on
