"""Reading ahead and writing behind: at the same time, in order, whatever fails."""

import gc
import threading
import weakref

import pytest

from kdsr.cli.image_session import pipelined
from kdsr.cli.streams import Failure

_LONG = 20.0  # seconds; only reached where a test fails


class Picture:
    """Something whose lifetime can be watched."""


def test_the_next_is_read_and_the_last_written_while_one_is_worked_on() -> None:
    read, written = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

    def work(item: int, value: int) -> int:
        if item < 2:
            assert read[item + 1].wait(_LONG), "the next is read meanwhile"
        if item > 0:
            assert not written[item - 1].is_set()
            working[item].set()
        return value + 1

    def write(item: int, value: int) -> int:
        if item < 2:
            assert working[item + 1].wait(_LONG), "the next is worked on meanwhile"
        written[item].set()
        return value * 10

    def reading(item: int) -> int:
        read[item].set()
        return item

    working = [threading.Event() for _ in range(3)]
    assert list(pipelined([0, 1, 2], reading, work, write)) == [(0, 10), (1, 20), (2, 30)]


@pytest.mark.parametrize("stage", ["read", "work", "write"])
def test_what_fails_is_told_in_its_turn_and_ends_nothing(stage: str) -> None:
    def step(name: str):
        def run(item: int, *_: int) -> int:
            if name == stage and item % 2:
                raise ValueError(item)
            return item

        return run

    outcomes = list(pipelined(range(5), step("read"), step("work"), step("write")))
    assert [item for item, _ in outcomes] == [0, 1, 2, 3, 4]
    for item, outcome in outcomes:
        if item % 2:
            assert isinstance(outcome, Failure)
            assert f"ValueError: {item}" in outcome.line
        else:
            assert outcome == item


def test_two_results_exist_at_most() -> None:
    alive: weakref.WeakSet[Picture] = weakref.WeakSet()
    begun = [threading.Event() for _ in range(7)]
    begun[6].set()
    most = []

    def work(item: int, _read: int) -> Picture:
        picture = Picture()
        alive.add(picture)
        gc.collect()
        most.append(len(alive))
        begun[item].set()
        return picture

    def write(item: int, _picture: Picture) -> bool:
        return begun[item + 1].wait(_LONG)

    assert all(done for _, done in pipelined(range(6), lambda item: item, work, write))
    assert max(most) == 2


def test_where_memory_is_short_for_two_results_one_is_made_after_the_other() -> None:
    room = threading.Semaphore(1)

    def work(item: int, _read: int) -> int:
        if not room.acquire(blocking=False):
            raise MemoryError
        return item

    def write(item: int, value: int) -> int:
        room.release()
        return value

    assert list(pipelined(range(4), lambda item: item, work, write)) == [(i, i) for i in range(4)]


def test_a_stop_on_the_way_starts_nothing_more() -> None:
    started = []

    def work(item: int, _read: int) -> int:
        started.append(item)
        if item == 1:
            raise KeyboardInterrupt
        return item

    with pytest.raises(KeyboardInterrupt):
        list(pipelined(range(9), lambda item: item, work, lambda _, value: value))
    assert started == [0, 1]


def test_nothing_to_do_is_no_error() -> None:
    assert list(pipelined([], int, lambda *_: 0, lambda *_: 0)) == []
