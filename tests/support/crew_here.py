"""Two workers in this process; what goes to them and back is pickled all the same."""

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any


class Here:
    """Stands for `kdsr.cluster.crew.Crew`: workers that do items in turn."""

    device = "cpu"

    def __init__(self, opener: Callable[[str], Any], workers: int) -> None:
        self.states = [pickle.loads(pickle.dumps(opener))("cpu") for _ in range(workers)]

    def __len__(self) -> int:
        return len(self.states)

    def run(self, step: Callable, items: Sequence[Any], report: Callable[[Any, Any], None]) -> None:
        for index, item in enumerate(items):
            given, portion = pickle.loads(pickle.dumps((step, [item])))
            for done, outcome in given(self.states[index % len(self)], portion):
                report(*pickle.loads(pickle.dumps((done, outcome))))


@contextlib.contextmanager
def crew_here(address: str, device: str, opener: Callable[[str], Any], most: int) -> Iterator[Here]:
    """Stands for `kdsr.cluster.crew.crew`."""
    assert (address, device) == ("auto", "auto")
    assert 1 <= most <= 12
    before = Path.cwd()
    workers = Here(opener, min(most, 2))
    os.chdir("/")  # names must mean the same anywhere
    try:
        yield workers
    finally:
        os.chdir(before)
