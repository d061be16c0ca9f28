"""The driver, with a Ray that lies in this process: deaths, give-ups, signals."""

import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, cast

import pytest

from kdsr.cluster.crew import Crew
from kdsr.cluster.places import Place
from kdsr.errors import Cancelled, ClusterError
from tests.support.fake_ray import Death, FakeRay

Heard = dict[int, Any]


def crew_of(ray: FakeRay, count: int, opener: Callable[[str], Any] = str.upper) -> Crew[Any]:
    places = [Place(f"n{i}", f"host{i}", "cpu", 1) for i in range(count)]
    return Crew(cast("ModuleType", ray), places, opener)


def run(
    workers: Crew[Any], items: Sequence[int], step: Callable[..., Iterator[tuple[int, Any]]]
) -> Heard:
    heard: Heard = {}

    def report(item: int, outcome: Any) -> None:
        assert item not in heard
        heard[item] = outcome

    workers.run(step, items, report)
    return heard


def squares(state: str, portion: Sequence[int]) -> Iterator[tuple[int, Any]]:
    for item in portion:
        yield item, (state, item * item)


def test_every_item_comes_back_with_its_outcome() -> None:
    workers = crew_of(FakeRay(), 3)
    assert run(workers, range(200), squares) == {i: ("CPU", i * i) for i in range(200)}
    assert run(workers, [], squares) == {}


def test_each_worker_opens_once_for_several_runs() -> None:
    opened = []
    workers = crew_of(FakeRay(), 2, lambda device: opened.append(device) or device)
    for _ in range(3):
        run(workers, range(20), lambda _, portion: ((item, 0) for item in portion))
    assert opened == ["cpu", "cpu"]


def test_workers_are_hired_where_they_belong_and_come_back_when_they_die() -> None:
    ray = FakeRay()
    Crew(cast("ModuleType", ray), [Place("a", "h", "cuda", 8), Place("b", "h", "cpu", 4)], str)
    needs = [
        {key: actor.options[key] for key in ("num_gpus", "num_cpus", "scheduling_strategy")}
        for actor in ray.actors
    ]
    assert needs == [
        {"num_gpus": 1, "num_cpus": 0, "scheduling_strategy": ("a", False)},
        {"num_gpus": 0, "num_cpus": 4, "scheduling_strategy": ("b", False)},
    ]
    assert all(actor.options["max_restarts"] == -1 for actor in ray.actors)


def test_a_death_loses_nothing_and_does_nothing_twice() -> None:
    done, deaths = Counter[int](), Counter[int]()

    def step(_: str, portion: Sequence[int]) -> Iterator[tuple[int, str]]:
        for item in portion:
            if item % 17 == 3 and not deaths[item]:
                deaths[item] += 1
                raise Death
            done[item] += 1
            yield item, "done"

    assert run(crew_of(FakeRay(), 2), range(100), step) == dict.fromkeys(range(100), "done")
    assert len(deaths) == 6
    assert set(done.values()) == {1}


def test_an_item_that_kills_its_workers_is_given_up_alone() -> None:
    def step(_: str, portion: Sequence[int]) -> Iterator[tuple[int, str]]:
        for item in portion:
            if item == 5:
                raise Death
            yield item, "done"

    heard = run(crew_of(FakeRay(), 2), range(30), step)
    assert isinstance(heard.pop(5), ClusterError)
    assert heard == {item: "done" for item in range(30) if item != 5}


def test_a_worker_that_cannot_open_is_given_up_and_the_others_do_its_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    openings = []

    def opener(_: str) -> str:
        openings.append(0)
        if len(openings) == 1:
            raise ClusterError("no such model there")
        return "ready"

    with caplog.at_level(logging.WARNING):
        heard = run(crew_of(FakeRay(), 3, opener), range(50), squares)
    assert heard == {i: ("ready", i * i) for i in range(50)}
    assert "host0: no such model there" in caplog.text


def test_a_run_without_a_worker_that_can_open_fails_with_the_reason() -> None:
    def opener(_: str) -> str:
        raise ClusterError("no such model there")

    with pytest.raises(ClusterError, match=r"no worker .*host\d: no such model there"):
        run(crew_of(FakeRay(), 3, opener), range(5), squares)


def test_workers_that_die_while_opening_are_not_hired_for_ever() -> None:
    def opener(_: str) -> str:
        raise Death

    with pytest.raises(ClusterError, match="the process is gone"):
        run(crew_of(FakeRay(), 2, opener), range(5), squares)


def test_workers_that_the_cluster_has_no_room_for_are_not_waited_for() -> None:
    heard = run(crew_of(FakeRay(rooms=1), 3), range(20), squares)
    assert len(heard) == 20


def test_an_error_of_the_caller_stops_the_workers() -> None:
    ray = FakeRay()
    workers = crew_of(ray, 2)

    def report(item: int, outcome: object) -> None:
        raise OSError("the disk of the driver is full")

    with pytest.raises(OSError, match="driver is full"):
        workers.run(squares, range(10), report)
    assert [actor.stopped for actor in ray.actors] == [1, 1]
    assert ray.killed == ray.actors


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_stops_the_workers_and_then_has_its_usual_effect() -> None:
    ray = FakeRay()

    def step(_: str, portion: Sequence[int]) -> Iterator[tuple[int, str]]:
        for item in portion:
            if item == 10:
                signal.raise_signal(signal.SIGINT)
            yield item, "done"

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(crew_of(ray, 2), range(1000), step)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, lambda *_: None)  # a host that goes on
        with pytest.raises(Cancelled):
            run(crew_of(FakeRay(), 2), range(1000), step)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [actor.stopped for actor in ray.actors] == [1, 1]
    assert ray.rooms == 0  # the cluster was left
