"""Two workers in this process; what goes to them and back is pickled all the same."""

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any


class PoolHere:
    """Stands for `kdsr.cluster.WorkerPool`: workers that do tasks in turn."""

    device = "cpu"

    def __init__(self, opener: Callable[[str], Any], workers: int) -> None:
        self.states = [pickle.loads(pickle.dumps(opener))("cpu") for _ in range(workers)]

    def __len__(self) -> int:
        return len(self.states)

    def run(self, step: Callable, tasks: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        for index, task in enumerate(tasks):
            given, chunk = pickle.loads(pickle.dumps((step, [task])))
            for done, outcome in given(self.states[index % len(self)], chunk):
                yield pickle.loads(pickle.dumps((done, outcome)))


@contextlib.contextmanager
def pool_here(
    address: str, device: str, opener: Callable[[str], Any], most: int
) -> Iterator[PoolHere]:
    """Stands for `kdsr.cluster.worker_pool`."""
    assert (address, device) == ("local", "auto")
    assert 1 <= most <= 12
    before = Path.cwd()
    workers = PoolHere(opener, min(most, 2))
    os.chdir("/")  # names must mean the same anywhere
    try:
        yield workers
    finally:
        os.chdir(before)
