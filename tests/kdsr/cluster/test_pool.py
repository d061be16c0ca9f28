"""Placement of workers, and tasks whose workers die; test_ray.py tests Ray itself."""

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kdsr.cluster import WorkerPool, planned
from kdsr.errors import ClusterError, ConfigError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("resources", "device", "expected"),
    [
        ({"CPU": 16, "GPU": 4}, "auto", ("cuda", 4, 4)),
        ({"GPU": 1}, "cuda", ("cuda", 1, 1)),
        ({"CPU": 8, "GPU": 4, "memory": 64 * GIB}, "cpu", ("cpu", 8, 1)),
        ({"CPU": 8, "memory": 8 * GIB}, "auto", ("cpu", 4, 2)),
        ({"CPU": 8, "memory": 1 * GIB}, "auto", ("cpu", 1, 8)),
    ],
)
def test_each_gpu_gets_a_worker_else_each_core_that_has_memory(
    resources: Mapping[str, float], device: str, expected: tuple[str, int, int]
) -> None:
    assert planned(resources, device) == expected


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(ClusterError, match="no machine of the cluster has a GPU"):
        planned({"CPU": 8}, "cuda")
    with pytest.raises(ClusterError, match="core for work"):
        planned({}, "auto")
    with pytest.raises(ConfigError, match="auto, cuda"):
        planned({"GPU": 8}, "cuda:1")


class RayError(Exception):
    """Ray's error after a worker has died repeatedly."""


class HerePool:
    """Stands for Ray's ActorPool: calls come back in turn."""

    def __init__(self, actors: list[Any]) -> None:
        self.actor, self.calls = actors[0], []

    def submit(self, call: Any, chunk: list[int]) -> None:
        self.calls.append((call, chunk))

    def has_next(self) -> bool:
        return bool(self.calls)

    def get_next_unordered(self) -> Any:
        call, chunk = self.calls.pop(0)
        return call(self.actor, chunk)


def pool_of(opened: list[str]) -> WorkerPool[str]:
    """A pool of actors in this process, each with a reason not to open, or none."""
    reasons, killed = iter(opened), []

    def remote(opener: Any, device: str, threads: int) -> Any:
        state, reason = opener(device), next(reasons)
        return SimpleNamespace(
            ready=SimpleNamespace(remote=lambda: f"{len(killed)} {reason}"),
            work=SimpleNamespace(remote=lambda step, chunk: list(step(state, chunk))),
            reason=reason,
        )

    ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": len(opened), "memory": 99 * GIB},
        remote=lambda **_: lambda _: SimpleNamespace(remote=remote),
        wait=lambda calls, **_: (calls, []),
        get=lambda call: call.partition(" ")[2],
        kill=killed.append,
        exceptions=SimpleNamespace(RayError=RayError),
        util=SimpleNamespace(ActorPool=HerePool),
    )
    return WorkerPool(cast("Any", ray), "auto", str.upper, len(opened))


def squares(state: str, chunk: Sequence[int]) -> Iterator[tuple[int, Any]]:
    for task in chunk:
        if task == 13:
            raise RayError("killed")
        yield task, (state, task * task)


def test_a_task_that_kills_its_workers_is_given_up_alone() -> None:
    heard = list(pool_of([""]).run(squares, range(100)))
    outcomes = dict(heard)
    assert len(heard) == len(outcomes) == 100
    assert isinstance(outcomes.pop(13), ClusterError)
    assert outcomes == {task: ("CPU", task * task) for task in range(100) if task != 13}


def test_workers_that_cannot_open_are_given_up() -> None:
    with pytest.raises(ClusterError, match="can do the work: no such model"):
        pool_of(["no such model"])
