"""Which functions each test enters, so that a changed one costs its own tests only."""

import ast
import functools
import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest

_OURS = ("kdsr", "train")
Place = tuple[str, int]
"""A function: its file, and its first line (that of its first decorator)."""


@dataclass
class Recorder:
    """A pytest plugin that notes what every test enters, and how long that takes.

    What fixtures enter counts for all tests of the file that asked for them first.
    """

    folder: Path
    """Functions elsewhere are not noted."""
    entered: dict[str, set[Place]] = field(default_factory=dict)
    """Test -> functions."""
    prepared: dict[str, set[Place]] = field(default_factory=dict)
    """File of tests -> functions that its fixtures enter."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Test -> processor time that it takes."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Notes what fixtures enter."""
        file = item.nodeid.partition("::")[0]
        _forget_results()
        yield from self._noting(self.prepared.setdefault(file, set()))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Notes what the test enters."""
        start = time.process_time()
        try:
            return (yield from self._noting(self.entered.setdefault(item.nodeid, set())))
        finally:
            self.seconds[item.nodeid] = time.process_time() - start

    def _noting(self, places: set[Place]) -> Generator[None]:
        folder = str(self.folder)

        def note(frame: FrameType, event: str, argument: object) -> None:
            del argument
            if event == "call" and frame.f_code.co_filename.startswith(folder):
                places.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

        threading.setprofile(note)
        sys.setprofile(note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # pyright: ignore[reportArgumentType]

    def tests_of(self, place: Place | None) -> list[str]:
        """The tests that enter a function, the fastest first; for None, all."""
        found = [
            test
            for test, places in self.entered.items()
            if place is None or place in places or place in self.prepared[test.partition("::")[0]]
        ]
        return sorted(found, key=lambda test: self.seconds[test])


@dataclass(frozen=True)
class Chosen:
    """A pytest plugin that runs some tests in a given order, whatever was collected."""

    tests: list[str]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keeps and sorts them."""
        rank = {test: place for place, test in enumerate(self.tests)}
        items[:] = sorted((i for i in items if i.nodeid in rank), key=lambda i: rank[i.nodeid])


@dataclass(frozen=True)
class InsteadOfTests:
    """A pytest plugin that does something else with the tests that were collected."""

    work: Callable[[pytest.Session], None]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Takes the place of pytest's own loop."""
        self.work(session)
        return True


def _forget_results() -> None:
    """Or only the first test that asks for a result would be seen to enter what makes it."""
    for kept in gc.get_objects():
        if type(kept) is functools._lru_cache_wrapper and kept.__module__.startswith(_OURS):
            kept.cache_clear()


def passes(session: pytest.Session, tests: list[str]) -> bool:
    """Whether tests that were collected pass, in the given order, until one does not."""
    named = {item.nodeid: item for item in session.items}
    items = [named[test] for test in tests]
    for item, following in itertools.zip_longest(items, items[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return False
    return True


def first_line(function: ast.FunctionDef) -> int:
    """As in its code object."""
    return min([function.lineno, *(d.lineno for d in function.decorator_list)])
