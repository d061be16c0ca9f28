"""Tiled upscaling into one CPU tensor: any image size in bounded memory, without seams."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .bake import BakedKDSR
from .errors import ConfigError, IDRError
from .estimate import estimate
from .idr import IDR
from .memory import free_memory, is_out_of_memory, release_memory
from .precision import pick_dtype
from .tiling import Span, TilePlan, plan_tiles
from .windows import CancelledFn, ProgressFn, ask_cancelled, check_images, check_out, cut_windows

if TYPE_CHECKING:
    from .config import KDSRConfig
    from .model import KDSR

FAST_OVERLAP = 32
"""LQ pixels of `overlap="fast"`."""

_SMALLEST_TILE = 16
_LARGEST_AUTO_TILE = 1024
_MEMORY_SHARE = 0.5  # of the free memory, for what one step allocates
_CPU_STEP_PIXELS = 128 * 128  # smaller windows are batched up to this many pixels on a CPU
_GPU_STEP_PIXELS = 1024 * 1024
_LARGEST_BATCH = 32


@dataclass(frozen=True)
class UpscaleOptions:
    """How to cut the work; see `upscale` for the meaning.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    tile: int | str | None = "auto"
    overlap: int | str = "exact"
    wrap: tuple[bool, bool] = (False, False)
    batch: int | str = "auto"

    def __post_init__(self) -> None:
        problems = []
        if self.tile not in ("auto", None) and not _is_int(self.tile, 1):
            problems.append(f'tile must be at least 1 LQ pixel, "auto" or None, got {self.tile!r}')
        if self.overlap not in ("exact", "fast") and not _is_int(self.overlap, 0):
            problems.append(
                f'overlap must be "exact", "fast" or at least 0 LQ pixels, got {self.overlap!r}'
            )
        if self.batch != "auto" and not _is_int(self.batch, 1):
            problems.append(f'batch must be at least 1 tile or "auto", got {self.batch!r}')
        if len(self.wrap) != 2:
            problems.append(f"wrap must be a pair of bools (width, height), got {self.wrap!r}")
        if problems:
            raise ConfigError("; ".join(problems))

    def halo(self, config: "KDSRConfig") -> int:
        """LQ pixels of context around each tile."""
        named = {"exact": config.network_halo, "fast": FAST_OVERLAP}
        return named[self.overlap] if isinstance(self.overlap, str) else self.overlap


@torch.inference_mode()
def upscale(
    model: "KDSR",
    lq: Tensor,
    idr: IDR | None = None,
    *,
    tile: int | str | None = "auto",
    overlap: int | str = "exact",
    wrap: tuple[bool, bool] = (False, False),
    dtype: str | torch.dtype = "auto",
    batch: int | str = "auto",
    out: Tensor | None = None,
    progress: ProgressFn | None = None,
    cancelled: CancelledFn | None = None,
) -> Tensor:
    """Upscales images with one IDR each, or one for all.

    With `overlap="exact"` the result does not depend on tile size or batch, up to float summation
    order: the overlap is the network's whole receptive field (2 * n_blocks + 4 LQ pixels).
    When memory runs out the tile is halved and the work goes on.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), on any device; moved to the model's tile by tile.
        idr: For each image or one for all; estimated from `lq` when left out.
        tile: Largest number of LQ pixels between two halos, "auto" for as many as fit into free
            memory, or None for one pass.
        overlap: "exact", "fast" (32 LQ pixels; differences of about 1e-3) or LQ pixels.
        wrap: Continue the image circularly along (width, height), so that a seamless texture
            stays seamless; in the estimate too.
        dtype: "auto", "fp32", "fp16" (CUDA), "bf16" or a torch dtype; see `kdsr.precision`.
        batch: Tiles per step, or "auto".
        out: Tensor (B, 3, sH, sW) on the CPU, of any strides, to write into: float, or uint8 for
            values rounded to 0-255 in a quarter of the memory.
        progress: Called with (tiles done, tiles in all).
        cancelled: Asked before each step.

    Returns:
        RGB clamped to [0, 1], float32, on the CPU, (B, 3, sH, sW); `out` if it was given.

    Raises:
        ImageError: If `lq` or `out` does not fit.
        ConfigError: If an option is out of range.
        IDRError: If `idr` is another model's or another batch's.
        Cancelled: If `cancelled` said so; `out` is then partly written.
    """
    options = UpscaleOptions(tile, overlap, wrap, batch)
    check_images(lq)
    device = model.network.head.weight.device
    run_dtype = pick_dtype(dtype, device)
    if idr is None:
        idr = estimate(model, lq, wrap=wrap, dtype=run_dtype, cancelled=cancelled)
    idr.check_model(model.fingerprint)
    if len(idr) not in (1, len(lq)):
        raise IDRError(f"got {len(idr)} IDRs for {len(lq)} images; give one each or one for all")
    b, _, h, w = lq.shape
    s = model.config.scale
    out = check_out(out, (b, 3, h * s, w * s))
    network = BakedKDSR.from_model(model).cast_body(run_dtype)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    run = _Run(model, network, lq, idr, out, options, progress, cancelled)
    run.all_frames()
    return out


class _Run:
    """One call of `upscale`: what stays the same from step to step, and the tile in use."""

    def __init__(
        self,
        model: "KDSR",
        network: BakedKDSR,
        lq: Tensor,
        idr: IDR,
        out: Tensor,
        options: UpscaleOptions,
        progress: ProgressFn | None,
        cancelled: CancelledFn | None,
    ) -> None:
        self.model, self.network, self.lq, self.idr, self.out = model, network, lq, idr, out
        self.progress, self.cancelled = progress, cancelled
        self.options = options
        self.halo = options.halo(model.config)
        self.pad = int(model.metadata.get("edge_pad", 0))
        self.weight = network.fuse.weight
        self.batch = options.batch
        self.tile = options.tile if options.tile is None else self._first_tile()

    def all_frames(self) -> None:
        """Does every image: those that share an IDR together, else one after another."""
        indices = list(range(len(self.lq)))
        groups = [indices] if len(self.idr) == 1 else [[index] for index in indices]
        done_frames = 0
        for group, idr_index in zip(groups, range(len(self.idr)), strict=True):
            self.network.set_idr(self.model, self.idr[idr_index])
            while not self._frames(group, done_frames):
                self._shrink()
            done_frames += len(group)

    def _frames(self, indices: list[int], done_frames: int) -> bool:
        """Does the images `indices`; False when memory ran out on the way."""
        plan = self._plan()
        jobs = [(index, row, column) for index in indices for row, column in plan.tiles]
        total = len(self.lq) * len(plan.tiles)
        done = done_frames * len(plan.tiles)
        batch = self._batch(plan)
        for first in range(0, len(jobs), batch):
            ask_cancelled(self.cancelled)
            step = jobs[first : first + batch]
            try:
                self._step(plan, step)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._can_shrink():
                    raise
                return False
            if self.progress is not None:
                self.progress(done + first + len(step), total)
        return True

    def _step(self, plan: TilePlan, tiles: list[tuple[int, Span, Span]]) -> None:
        windows = cut_windows(self.lq, plan, tiles, torch.empty(0, device=self.weight.device))
        sr = self.network(windows)
        s = self.model.config.scale
        for (index, row, column), tile in zip(tiles, sr, strict=True):
            top, left = row.offset * s, column.offset * s
            height, width = (row.stop - row.start) * s, (column.stop - column.start) * s
            part = tile[:, top : top + height, left : left + width]
            target = self.out[index][:, row.start * s : row.stop * s]
            part.clamp_(0, 1)
            if target.dtype == torch.uint8:
                part.mul_(255).round_()
            target[:, :, column.start * s : column.stop * s].copy_(part)

    def _plan(self) -> TilePlan:
        assert not isinstance(self.tile, str)
        h, w = self.lq.shape[-2:]
        return plan_tiles(h, w, self.tile, self.halo, wrap=self.options.wrap, pad=self.pad)

    def _first_tile(self) -> int:
        if isinstance(self.options.tile, int):
            return self.options.tile
        per_pixel = bytes_per_pixel(self.model.config, self.weight.element_size())
        budget = free_memory(self.weight.device) * _MEMORY_SHARE
        side = int((budget / per_pixel) ** 0.5)
        return max(_SMALLEST_TILE, min(_LARGEST_AUTO_TILE, side - 2 * self.halo))

    def _batch(self, plan: TilePlan) -> int:
        if isinstance(self.batch, int):
            return self.batch
        pixels = _CPU_STEP_PIXELS if self.weight.device.type == "cpu" else _GPU_STEP_PIXELS
        return max(1, min(_LARGEST_BATCH, pixels // plan.window_pixels))

    def _can_shrink(self) -> bool:
        return self.batch != 1 or self.tile is None or self._tile_in_use() > _SMALLEST_TILE

    def _shrink(self) -> None:
        """After running out of memory: one tile at a time, and each time half the tile."""
        release_memory(self.weight.device)
        if self.tile is None or self.batch == 1 or self._batch(self._plan()) == 1:
            self.tile = max(_SMALLEST_TILE, self._tile_in_use() // 2)
        self.batch = 1

    def _tile_in_use(self) -> int:
        longest = max(self.lq.shape[-2:])
        assert not isinstance(self.tile, str)
        return longest if self.tile is None else min(self.tile, longest)


def bytes_per_pixel(config: "KDSRConfig", element_size: int) -> int:
    """Bytes that one pass allocates for each LQ pixel of its window, weights apart.

    Four maps of C features are alive at the widest point of a block, and the tail's output twice
    in its own dtype and once in float32.
    """
    values = 3 * config.scale**2
    return (5 * config.n_feats + 2 * values) * element_size + 3 * values * 4


def _is_int(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
