"""How much memory there is, and what to do when it runs out."""

import os
from collections.abc import Callable
from typing import TypeVar

import torch

from ..errors import is_out_of_memory

_ASSUMED_FREE = 4 << 30  # where the system does not say
SMALLEST_TILE = 16
"""LQ pixels; halving stops here."""

_T = TypeVar("_T")


def free_memory(device: torch.device) -> int:
    """Bytes that a new allocation on `device` may take, by its driver's or system's word."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - not a real file
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
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
    """

    def __init__(
        self,
        tile: int | None,
        longest: int,
        device: torch.device,
        batch: Callable[[int | None], int] = lambda _: 1,
    ) -> None:
        self.tile, self.longest, self.device = tile, longest, device
        self._batch = batch
        self._single = False

    @property
    def batch(self) -> int:
        """Tiles at a time."""
        return 1 if self._single else self._batch(self.tile)

    def run(self, work: Callable[[], _T]) -> _T:
        """Does the work, all over again with less at a time whenever memory runs out."""
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._can_shrink():
                    raise
            # Outside of the handler, which holds on to the tensors.
            release_memory(self.device)
            self._shrink()

    def _can_shrink(self) -> bool:
        return self.batch > 1 or self._in_use() > SMALLEST_TILE

    def _shrink(self) -> None:
        """One tile at a time first; then half the tile."""
        if self.batch == 1:
            self.tile = max(SMALLEST_TILE, self._in_use() // 2)
        self._single = True

    def _in_use(self) -> int:
        return self.longest if self.tile is None else min(self.tile, self.longest)
