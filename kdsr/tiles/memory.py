"""How much memory a device has, and doing less at a time when it runs out."""

import logging
import os
from collections.abc import Callable
from typing import TypeVar

import torch

from ..errors import KDSRError, OutOfMemoryError
from ..memory import free_host_memory, in_words, is_out_of_memory

_ASSUMED_FREE = 4 << 30  # where the system does not say
SMALLEST_TILE = 16
"""LQ pixels; halving stops here."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def free_memory(device: torch.device) -> int:
    """Bytes that a new allocation on `device` may take, by its driver's or system's word."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free = free_host_memory()
    return _guessed_free() if free is None else free


def _guessed_free() -> int:
    """Half of the machine's memory, or a modest number where even that is not said."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError, AttributeError):
        return _ASSUMED_FREE


def release_memory(device: torch.device) -> None:
    """Gives the allocator's unused blocks back, so that smaller ones can be had."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


class Step:
    """How much is done at a time: less of it whenever memory runs out, and never more again.

    For work whose result does not depend on it.

    Args:
        tile: LQ pixels between halos, or None for one pass.
        longest: The image's longer side, in LQ pixels.
        device: Where the work runs.
        batch: Tiles that go through the network together; takes the tile, as it may depend on it.
        remedy: What helps where even the least is too much.
    """

    def __init__(
        self,
        tile: int | None,
        longest: int,
        device: torch.device,
        batch: Callable[[int | None], int] = lambda _: 1,
        remedy: str = "close other programs",
    ) -> None:
        self.tile, self.longest, self.device, self.remedy = tile, longest, device, remedy
        self._batch = batch
        self._single = False

    @property
    def batch(self) -> int:
        """Tiles at a time."""
        return 1 if self._single else self._batch(self.tile)

    def run(self, work: Callable[[], _T]) -> _T:
        """Does the work, all over again with less at a time whenever memory runs out.

        Raises:
            OutOfMemoryError: If it does even for a single tile of the smallest size.
        """
        while True:
            try:
                return work()
            except Exception as error:
                if isinstance(error, KDSRError) or not is_out_of_memory(error):
                    raise
            # Outside of the handler, which holds on to the tensors.
            release_memory(self.device)
            if self.batch == 1 and self._in_use() <= SMALLEST_TILE:
                raise OutOfMemoryError(
                    f"not enough memory on {self.device} even for single tiles of {self._in_use()} "
                    f"px and what lies around them ({in_words(free_memory(self.device))} are "
                    f"free); {self.remedy}"
                )
            self._shrink()

    def _shrink(self) -> None:
        """One tile at a time first; then half the tile."""
        if self.batch == 1:
            self.tile = max(SMALLEST_TILE, self._in_use() // 2)
        self._single = True
        _log.debug("memory ran out; going on with single tiles of %s px", self.tile)

    def _in_use(self) -> int:
        return self.longest if self.tile is None else min(self.tile, self.longest)
