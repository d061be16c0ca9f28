"""A process of the cluster that does the work."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from ..atomic import abandon

CONTROL = "control"
"""Of Ray's concurrency groups, the one in which a busy worker hears `stop`."""


class Worker:
    """Opens once what its work takes, then does portions of it.

    An actor of Ray: everything comes and goes pickled.
    """

    def __init__(self) -> None:
        self._state: Any = None

    def open(self, opener: Callable[[str], Any], device: str, threads: int) -> None:
        """Does nothing where it was called before, in this process.

        Args:
            opener: Gets the device, gives what the steps need: a model.
            device: Where to work.
            threads: For PyTorch's work on the CPU.
        """
        if self._state is None:
            import torch

            torch.set_num_threads(threads)
            self._state = opener(device)

    def work(
        self,
        step: Callable[[Any, Sequence[Any]], Iterator[tuple[Any, Any]]],
        portion: Sequence[Any],
    ) -> Iterator[tuple[Any, Any]]:
        """Yields (item, outcome) for each item of a portion, as soon as it is done."""
        yield from step(self._state, portion)

    def stop(self) -> NoReturn:
        """Ends the process at once; what it was writing is removed."""
        abandon()
        os._exit(0)
