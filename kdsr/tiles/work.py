"""Device, dtype and memory; the loop over tiles, which shrinks them when memory runs out."""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import (
    ConfigError,
    KDSRError,
    OutOfMemoryError,
    free_host_memory,
    in_words,
    is_out_of_memory,
)
from ..options import DTYPE_NAMES, UNWATCHED, Job
from ..pixels import as_floats
from . import AxisPlan, Layout, Span

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Dtypes by the names that the command and the nodes use."""
_DEVICES = ("cpu", "cuda", "mps")  # PyTorch has others, on which the networks do not run
_BF16 = ("avx512_bf16", "amx_bf16")  # names in `torch.cpu.get_capabilities`
_PROBES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # for older PyTorch
_ASSUMED_FREE = 4 << 30  # bytes, if the system does not report its memory


def pick_device(name: str) -> torch.device:
    """Finds a device by name; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: If the device does not exist.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in _DEVICES:
            raise ConfigError(
                f"device {name!r} is not supported; use {', '.join(_DEVICES)} or auto"
            )
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigError(f"device {name!r} is not available here; use cpu or auto") from None
    return device


def pick_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Resolves a dtype name for a device.

    Args:
        dtype: "auto", "fp32", "fp16" (CUDA only), "bf16", or the torch dtype.
        device: Where the network runs.

    Raises:
        ConfigError: If the name is unknown or the device cannot run it.
    """
    if dtype == "auto":
        return _fast_dtype(device)
    picked = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if picked not in DTYPES.values():
        names = ", ".join(DTYPE_NAMES)
        raise ConfigError(f"unknown dtype {dtype!r}; choose one of {names}")
    assert isinstance(picked, torch.dtype)
    if picked == torch.float16 and device.type != "cuda":
        raise ConfigError(f"fp16 needs a CUDA device, the model is on {device.type}; use bf16")
    return picked


def _fast_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        # fp16 is as fast as bf16 and has three more bits of precision.
        return torch.float16
    return torch.bfloat16 if multiplies_bf16(device) else torch.float32


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has bf16 instructions; without them bf16 is slower than fp32."""
    if device.type == "cuda":
        # `is_bf16_supported` includes cards that emulate bf16 in fp32, several times slower.
        return bool(torch.version.hip) or torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
        return any(able.get(name) for name in _BF16)
    return any(getattr(torch.cpu, probe, bool)() for probe in _PROBES)


def free_memory(device: torch.device) -> int:
    """Free memory for new allocations on `device` in bytes, as driver or system report it."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free = free_host_memory()
    return _guessed_free() if free is None else free


def _guessed_free() -> int:
    """Half of the machine's memory, or a modest constant if its size is unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError, AttributeError):
        return _ASSUMED_FREE


def release_memory(device: torch.device) -> None:
    """Returns the allocator's unused blocks, so that other sizes can be allocated."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


SMALLEST_TILE = 16
"""Smallest tile side in LQ pixels, at which halving stops."""

_log = logging.getLogger(__name__)


class Tile(NamedTuple):
    """A tile of one image in a batch."""

    image: int
    row: Span
    column: Span

    @property
    def side(self) -> int:
        """Longer side in LQ pixels, without the halo."""
        return max(self.row.length, self.column.length)


class Step:
    """A few tiles that run together. Process them in a `with` block, which handles shortages.

    After a shortage the same pixels come again, so the block must be repeatable.
    """

    def __init__(self, work: "TileWork", tiles: list[Tile]) -> None:
        self.tiles = tiles
        self.short = False
        """Whether memory ran out in the block."""
        self._work = work

    def windows(self) -> Tensor:
        """Reads the windows of the tiles.

        Returns:
            Windows (tiles, C, window height, window width) on the device, in the channels-last
            format, which is faster for convolutions.
        """
        work, images = self._work, self._work.images
        windows = []
        for index, row, column in self.tiles:
            rows = torch.tensor(work.plan.rows.source(row), device=images.device)
            columns = torch.tensor(work.plan.columns.source(column), device=images.device)
            windows.append(images[index][:, rows[:, None], columns])
        stacked = as_floats(torch.stack(windows))
        return stacked.to(work.device, work.dtype, memory_format=torch.channels_last)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> bool:
        self.short = (
            isinstance(error, Exception)
            and not isinstance(error, KDSRError)
            and is_out_of_memory(error)
        )
        return self.short


class TileWork:
    """Runs over the tiles of images, a few at a time.

    When memory runs out, it continues with single tiles, then with smaller ones, and stays there.
    Finished tiles are not repeated.

        for step in work.steps():
            with step:
                result = network(step.windows())

    Args:
        images: Images (B, C, H, W), floats or uint8, on any device.
        plan: Layout of the tiles.
        device: Device of the work.
        dtype: Dtype of the windows.
        batch: Number of tiles per step.
        smallest: Smallest tile side in LQ pixels.
        job: Receives the progress, and may cancel before each step.
        remedy: Advice for the error if even the smallest tile does not fit.
    """

    def __init__(
        self,
        images: Tensor,
        plan: Layout,
        device: torch.device,
        *,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
        smallest: int = SMALLEST_TILE,
        job: Job = UNWATCHED,
        remedy: str = "close other programs",
    ) -> None:
        self.images, self.plan, self.device, self.dtype = images, plan, device, dtype
        self.batch, self.smallest, self.job, self.remedy = batch, smallest, job, remedy
        self._largest: int | None = None  # limit of a tile's side in LQ pixels, after a shortage
        self._done, self._total = 0, len(images) * len(plan.tiles)

    def steps(self, images: Iterable[int] | None = None) -> Iterator[Step]:
        """Yields the steps over the given images, by default over all.

        Raises:
            OutOfMemoryError: If memory runs out even for a single tile of the smallest size.
            Cancelled: If the job is cancelled.
        """
        chosen = range(len(self.images)) if images is None else images
        left = deque(self._cut(Tile(i, *place) for i in chosen for place in self.plan.tiles))
        while left:
            self.job.check()
            step = Step(self, [left.popleft() for _ in range(min(self.batch, len(left)))])
            yield step
            if step.short:
                self._shrink(step.tiles)
                left = deque(self._cut([*step.tiles, *left]))
            else:
                self._done += len(step.tiles)
                self.job.report(self._done, self._total)

    def _shrink(self, tiles: list[Tile]) -> None:
        """Reduces the work per step: first to single tiles, then to tiles of half the side."""
        release_memory(self.device)
        side = max(tile.side for tile in tiles)
        if len(tiles) == 1:
            if side <= self.smallest:
                raise OutOfMemoryError(
                    f"not enough memory on {self.device} even for single tiles of {side} px and "
                    f"what lies around them ({in_words(free_memory(self.device))} are free); "
                    f"{self.remedy}"
                )
            self._largest = max(self.smallest, side // 2)
        self.batch = 1
        _log.debug("memory ran out; going on with single tiles of %s px", self._largest or side)

    def _cut(self, tiles: Iterable[Tile]) -> list[Tile]:
        """Cuts tiles that exceed the current limit."""
        tiles = list(tiles)
        if self._largest is None:
            return tiles
        parts = [
            Tile(tile.image, row, column)
            for tile in tiles
            for row in _parts(self.plan.rows, tile.row, self._largest)
            for column in _parts(self.plan.columns, tile.column, self._largest)
        ]
        self._total += len(parts) - len(tiles)
        return parts


def _parts(plan: AxisPlan, span: Span, most: int) -> tuple[Span, ...]:
    return (span,) if span.length <= most else plan.split(span, most)
