"""Ray in one process: actors are objects, which die as they are told to."""

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any


class FakeError(Exception):
    """What Ray raises of its own."""


class FakeTaskError(FakeError):
    """What a worker's function raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class FakeActorError(FakeError):
    """A process is gone."""


class Death(BaseException):
    """Raised by a step or opener: ends the process that runs it."""


class FakeRay:
    """Stands for the `ray` module.

    Args:
        rooms: How many actors the cluster has room for; the others never start.
    """

    def __init__(self, rooms: int = 100) -> None:
        self.rooms = rooms
        self.exceptions = SimpleNamespace(RayError=FakeError, RayTaskError=FakeTaskError)
        self.util = SimpleNamespace(
            scheduling_strategies=SimpleNamespace(
                NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft)
            )
        )
        self.actors: list[_Actor] = []
        self.killed: list[_Actor] = []

    def remote(self, **options: Any) -> Callable[[type], Any]:
        """Decorates a class."""

        def decorated(kind: type) -> Any:
            def start() -> _Actor:
                self.actors.append(_Actor(kind, options, starts=len(self.actors) < self.rooms))
                return self.actors[-1]

            return SimpleNamespace(remote=start)

        return decorated

    def kill(self, actor: "_Actor", *, no_restart: bool) -> None:
        assert no_restart
        self.killed.append(actor)

    def shutdown(self) -> None:
        self.rooms = 0


class _Actor:
    def __init__(self, kind: type, options: dict[str, Any], *, starts: bool) -> None:
        self.options = options
        self.stopped = 0
        self._kind = kind
        self._starts = starts
        self._living: Any = kind()
        self.open = SimpleNamespace(remote=self._open)
        self.work = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._work))
        self.stop = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._stop))

    async def _open(self, *arguments: Any) -> None:
        if not self._starts:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self._call(lambda: self._living.open(*arguments))

    async def _work(self, *arguments: Any) -> Any:
        outcomes: Iterator[Any] = self._living.work(*arguments)
        while True:
            await asyncio.sleep(0)
            outcome = self._call(lambda: next(outcomes, None))
            if outcome is None:
                return
            yield asyncio.sleep(0, outcome)

    async def _stop(self) -> None:
        self.stopped += 1
        raise FakeActorError("stopped")

    def _call(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except Death:
            self._living = self._kind()
            raise FakeActorError("the process is gone") from None
        except Exception as error:
            raise FakeTaskError(error) from error
