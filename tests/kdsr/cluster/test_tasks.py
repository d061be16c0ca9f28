"""Handing out: each item is done once, whatever dies, and nobody waits behind a slow one."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from kdsr.cluster.tasks import ATTEMPTS, LARGEST_PORTION, Tasks


def test_portions_are_limited_and_shrink_to_single_items() -> None:
    tasks = Tasks(range(10_000), workers=4)
    sizes = []
    while portion := tasks.take():
        sizes.append(len(portion))
        assert len(portion) <= LARGEST_PORTION
    assert sizes[0] == LARGEST_PORTION
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-16:] == [1] * 16
    assert sum(sizes) == 10_000


def test_what_is_in_hand_stays_small_whatever_there_is_to_do() -> None:
    tasks = Tasks(range(1_000_000), workers=3)
    for _ in range(3):
        tasks.take()
    assert len(tasks._in_hand) == 3 * LARGEST_PORTION


def test_few_items_are_shared_among_the_workers() -> None:
    tasks = Tasks("abc", workers=8)
    assert [tasks.take() for _ in range(4)] == [["a"], ["b"], ["c"], []]
    assert not tasks.over


def test_behind_a_slow_item_wait_no_more_than_a_fair_share_of_the_rest() -> None:
    tasks = Tasks(range(300), workers=3)
    for _ in range(20):
        tasks.take()
    left = len(tasks._waiting)
    assert len(tasks.take()) <= left / (4 * 3)
    while tasks.take():
        pass
    assert not tasks._waiting  # whoever is free takes all that nobody has in hand


def test_it_is_over_when_the_last_item_is_done_and_not_before() -> None:
    tasks = Tasks("ab", workers=1)
    for item in (*tasks.take(), *tasks.take()):
        assert not tasks.over
        tasks.done(item)
    assert tasks.over
    assert Tasks([], workers=2).over


def test_what_a_dead_worker_had_comes_last_and_one_by_one() -> None:
    tasks = Tasks(range(40), workers=1)
    lost = tasks.take()
    assert len(lost) > 1
    assert tasks.put_back(lost) == []
    order = []
    while portion := tasks.take():
        order.append(portion)
    assert order[-len(lost) :] == [[item] for item in lost]


def test_an_item_that_kills_every_worker_is_given_up_and_its_neighbours_are_not() -> None:
    tasks = Tasks(range(16), workers=1)
    outcome = {}
    while not tasks.over:
        portion = tasks.take()
        if 2 in portion:
            outcome |= dict.fromkeys(tasks.put_back(portion), "given up")
            continue
        for item in portion:
            tasks.done(item)
            outcome[item] = "done"
    assert outcome == {item: "given up" if item == 2 else "done" for item in range(16)}


@given(
    count=st.integers(0, 300),
    workers=st.integers(0, 9),
    deaths=st.lists(st.tuples(st.booleans(), st.integers(0, LARGEST_PORTION)), max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_every_item_comes_to_one_end_whoever_dies_when(
    count: int, workers: int, deaths: list[tuple[bool, int]]
) -> None:
    tasks = Tasks(range(count), workers)
    ends, tries = Counter[int](), Counter[int]()
    while not tasks.over:
        portion = tasks.take()
        assert portion
        tries.update(portion)
        dies, after = deaths.pop() if deaths else (False, 0)
        finished = portion[:after] if dies else portion
        for item in finished:
            tasks.done(item)
        ends.update(finished)
        ends.update(tasks.put_back(portion[len(finished) :]))
    assert ends == Counter(range(count))
    assert max(tries.values(), default=0) <= ATTEMPTS
