"""The driver: gives the workers of a cluster portions of the work, and hears what came of them."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Generic, TypeVar

from ..errors import Cancelled, ClusterError
from .connecting import connected, leave
from .interrupts import Interrupted, interrupting
from .places import Place, plan_places
from .tasks import ATTEMPTS, Tasks
from .worker import CONTROL, Worker

State = TypeVar("State")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

_DEATHS = 3  # of a worker in a row, without anything done in between, until it is given up
_GRACE = 5.0  # seconds for workers to stop
_log = logging.getLogger(__name__)


@contextmanager
def crew(
    address: str, device: str, opener: Callable[[str], State], most: int
) -> "Iterator[Crew[State]]":
    """Yields a worker for each GPU of a cluster, or as many as its cores and memory allow.

    Args:
        address: "auto" for a cluster of this machine alone, or HOST:PORT of one that runs.
        device: "auto", "cuda" or "cpu".
        opener: Gets "cuda" or "cpu", gives what the work takes. Called once in each worker process.
        most: How many workers there is work for.

    Raises:
        ConfigError: If address or device are none.
        ClusterError: If Ray is not installed, no cluster answers, or it lacks such a device.
    """
    with connected(address) as ray:
        yield Crew(ray, plan_places(ray.nodes(), device)[:most], opener)


class Crew(Generic[State]):
    """Workers, which keep what they opened from run to run."""

    def __init__(self, ray: ModuleType, places: Sequence[Place], opener: Callable[[str], State]):
        self._ray = ray
        self._opener = opener
        self._workers = [(place, _hired(ray, place)) for place in places]

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def device(self) -> str:
        """What all of them work on: "cuda" or "cpu"."""
        return self._workers[0][0].device

    def run(
        self,
        step: Callable[[State, Sequence[Item]], Iterator[tuple[Item, Outcome]]],
        items: Sequence[Item],
        report: Callable[[Item, Outcome | ClusterError], None],
    ) -> None:
        """Does a step with every item. A worker that dies is replaced, and nothing is lost.

        SIGINT, SIGTERM and SIGHUP stop it: what workers were writing is removed, the cluster is
        left, and the signal takes its usual course.

        Args:
            step: Gets what `opener` gave and a portion of the items; yields each with its outcome.
                It is pickled, as are items and outcomes. When its worker dies it is called again,
                in another, with those items that nothing was heard of.
            items: Each once; hashable.
            report: Called with each item and what came of it, in the order of completion;
                a `ClusterError` is for an item whose worker died again and again.

        Raises:
            ClusterError: If no worker is left, with the last one's reason.
        """
        try:
            asyncio.run(self._run(_Shift(Tasks(items, len(self)), step, report)))
        except Interrupted as interrupted:
            leave(self._ray)
            interrupted.resume()
            raise Cancelled from None

    async def _run(self, shift: "_Shift") -> None:
        try:
            with interrupting():
                serving = {asyncio.create_task(self._serve(shift, *one)) for one in self._workers}
                reason = ""
                while serving and not shift.tasks.over:
                    over, serving = await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
                    reason = next((said for task in over if (said := task.result())), reason)
                for task in serving:  # of workers that the cluster never had room for
                    task.cancel()
        except BaseException:
            await self._stop()
            raise
        if not shift.tasks.over:
            raise ClusterError(f"no worker of the cluster can do the work: {reason}")

    async def _serve(self, shift: "_Shift", place: Place, worker: Any) -> str:
        """Gives a worker portions until all is done; returns why it was given up, if it was."""
        exceptions = self._ray.exceptions
        work = worker.work.options(num_returns="streaming")
        deaths, reason = 0, ""
        while deaths < _DEATHS and not shift.tasks.over:
            try:
                await worker.open.remote(self._opener, place.device, place.threads)
                while portion := await shift.take():
                    if await shift.hear(portion, work.remote(shift.step, portion)):
                        deaths = 0
            except exceptions.RayTaskError as error:  # noqa: PERF203 - what it opens is not there, or a mistake
                deaths, reason = _DEATHS, _first_line(error.cause or error)
            except exceptions.RayError as error:
                deaths, reason = deaths + 1, _first_line(error)
                _log.warning(
                    "a worker on %s died; what it had in hand is done again", place.machine
                )
        if deaths == _DEATHS:
            reason = f"{place.machine}: {reason}"
            _log.warning("a worker is given up, %s", reason)
        return reason

    async def _stop(self) -> None:
        """Ends all workers, with nothing half-written left where they still answer."""
        control = {"concurrency_group": CONTROL}
        last = [worker.stop.options(**control).remote() for _, worker in self._workers]
        await asyncio.wait([asyncio.ensure_future(_heard(one)) for one in last], timeout=_GRACE)
        for _, worker in self._workers:
            self._ray.kill(worker, no_restart=True)


class _Shift:
    """One run of a crew: what is to do, and who is told of it."""

    def __init__(self, tasks: Tasks, step: Callable, report: Callable) -> None:
        self.tasks = tasks
        self.step = step
        self._report = report
        self._changed = asyncio.Event()

    async def take(self) -> list:
        """The next portion; empty when all is done, not before."""
        while not (portion := self.tasks.take()) and not self.tasks.over:
            self._changed.clear()
            await self._changed.wait()
        return portion

    async def hear(self, portion: list, stream: Any) -> int:
        """Reports what a worker makes of a portion; takes back what it does not.

        Returns:
            How many items it did.
        """
        left = dict.fromkeys(portion)
        try:
            async for coming in stream:
                item, outcome = await coming
                del left[item]
                self.tasks.done(item)
                self._report(item, outcome)
        finally:
            for item in self.tasks.put_back(list(left)):
                self._report(
                    item, ClusterError(f"its worker died, {ATTEMPTS} times out of {ATTEMPTS}")
                )
            self._changed.set()
        return len(portion) - len(left)


def _hired(ray: ModuleType, place: Place) -> Any:
    """A worker at a place. Ray starts it again when it dies, as long as its machine lives."""
    on_gpu = place.device == "cuda"
    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(place.node, soft=False)
    actor = ray.remote(
        num_gpus=1 if on_gpu else 0,
        num_cpus=0 if on_gpu else place.threads,
        max_restarts=-1,
        max_task_retries=0,
        concurrency_groups={CONTROL: 1},
        scheduling_strategy=where,
    )(Worker)
    return actor.remote()


async def _heard(coming: Any) -> None:
    """Waits for an answer, or for what shows that there will be none."""
    await asyncio.gather(coming, return_exceptions=True)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
