import os

import pytest
import torch

import kdsr.tiles.memory
from kdsr.tiles.memory import SMALLEST_TILE, Step, free_memory

CPU = torch.device("cpu")


def tried(step: Step, shortages: int) -> list[tuple[int | None, int]]:
    """(tile, batch) of every attempt of work that runs out of memory a number of times."""
    seen: list[tuple[int | None, int]] = []

    def work() -> None:
        seen.append((step.tile, step.batch))
        if len(seen) <= shortages:
            raise MemoryError

    step.run(work)
    return seen


def test_a_shortage_ends_batches_first_and_then_halves_the_tile() -> None:
    step = Step(64, 200, CPU, lambda _: 4)
    assert tried(step, 3) == [(64, 4), (64, 1), (32, 1), (16, 1)]
    assert tried(step, 0) == [(16, 1)], "never more again"


def test_even_a_batch_of_two_is_given_up_at_the_smallest_tile() -> None:
    assert tried(Step(SMALLEST_TILE, 200, CPU, lambda _: 2), 1) == [(16, 2), (16, 1)]


def test_one_pass_becomes_tiles_of_half_the_image() -> None:
    assert tried(Step(None, 100, CPU), 2) == [(None, 1), (50, 1), (25, 1)]
    assert tried(Step(1024, 100, CPU), 1) == [(1024, 1), (50, 1)]
    assert tried(Step(None, 20, CPU), 1) == [(None, 1), (SMALLEST_TILE, 1)]


@pytest.mark.parametrize("tile", [SMALLEST_TILE, 8, None])
def test_where_nothing_is_left_to_shrink_the_shortage_is_an_error(tile: int | None) -> None:
    with pytest.raises((MemoryError, ValueError)):
        tried(Step(tile, SMALLEST_TILE, CPU), 99)


def test_other_errors_are_not_taken_for_a_shortage() -> None:
    calls = []

    def work() -> None:
        calls.append(1)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Step(64, 200, CPU, lambda _: 4).run(work)
    assert calls == [1]


def test_free_memory_is_a_plausible_number_of_bytes() -> None:
    assert 1 << 20 < free_memory(CPU) < 1 << 50


def system_says(monkeypatch: pytest.MonkeyPatch, free: int | None) -> None:
    monkeypatch.setattr(kdsr.tiles.memory, "free_host_memory", lambda: free)


def test_free_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    system_says(monkeypatch, 123)
    assert free_memory(CPU) == 123
    system_says(monkeypatch, 0)
    assert free_memory(CPU) == 0, "none is not the same as not said"


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="a POSIX interface")
def test_half_of_all_memory_counts_where_the_system_does_not_say_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system_says(monkeypatch, None)
    sizes = {"SC_PHYS_PAGES": 1001, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    assert free_memory(CPU) == 1001 * 4096 // 2


def test_four_gib_are_assumed_of_a_system_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system_says(monkeypatch, None)
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert free_memory(CPU) == 4 * 1024**3


def test_what_a_gpus_allocator_holds_unused_counts_as_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 9000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 500)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 200)
    assert free_memory(torch.device("cuda")) == 1000 + 500 - 200
