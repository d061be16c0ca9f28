"""Tiled upscaling into one CPU tensor: any image size in bounded memory, without seams."""

from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from ..errors import IDRError
from ..estimation.whole import estimate
from ..idr import IDR
from ..memory import explaining_shortage
from ..network.baked import BakedKDSR, bytes_per_pixel
from ..network.models import Student
from ..options import UpscaleOptions
from ..pixels import store
from ..tiles.checks import check_computed, check_images, check_out
from ..tiles.memory import SMALLEST_TILE, Step, free_memory
from ..tiles.plan import Span, TilePlan, plan_tiles
from ..tiles.precision import pick_dtype
from ..tiles.windows import (
    CancelledFn,
    ProgressFn,
    ask_cancelled,
    cut_windows,
)

_LARGEST_AUTO_TILE = 1024
_LARGEST_CPU_TILE = 384  # 1024, beyond the caches, took 8 % longer on a CPU, 192 21 %
_MEMORY_SHARE = 0.5  # of the free memory, for what one step allocates
_CPU_STEP_PIXELS = 128 * 128  # smaller windows are batched up to this many pixels on a CPU
_GPU_STEP_PIXELS = 1024 * 1024
_LARGEST_BATCH = 32
SHORTAGE_REMEDY = 'close other programs, or use overlap "fast" or a smaller image'
"""What helps where tiles cannot get smaller."""


class TileKeywords(TypedDict, total=False):
    """The keyword arguments that every way of upscaling passes on."""

    tile: int | str | None
    overlap: int | str
    dtype: str | torch.dtype
    batch: int | str
    cancelled: CancelledFn | None


class UpscaleKeywords(TileKeywords, total=False):
    """The keyword arguments of `upscale`."""

    wrap: tuple[bool, bool]
    out: Tensor | None
    progress: ProgressFn | None


@explaining_shortage("to upscale", SHORTAGE_REMEDY)
@torch.inference_mode()
def upscale_tiled(
    model: Student,
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
    order: the overlap is the network's whole receptive field (`model.network.halo` LQ pixels).
    When memory runs out the tile is halved and the work goes on.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), on any device; moved to the model's tile by tile. What a
            resampling filter overshoots is taken as it is; see `kdsr.tiles.checks`.
        idr: For each image or one for all; estimated from `lq` when left out.
        tile: Largest number of LQ pixels between two halos, "auto" for as many as fit into free
            memory, or None for one pass.
        overlap: "exact", "fast" (32 LQ pixels; differences of about 1e-3) or LQ pixels.
        wrap: Continue the image circularly along (width, height), so that a seamless texture
            stays seamless; in the estimate too.
        dtype: "auto", "fp32", "fp16" (CUDA), "bf16" or a torch dtype; see `kdsr.tiles.precision`.
        batch: Tiles per step, or "auto".
        out: Tensor (B, 3, sH, sW) on the CPU, of any strides, to write into: float, or uint8 for
            values rounded to 0-255 in a quarter of the memory.
        progress: Called with (tiles done, tiles in all).
        cancelled: Asked before each step.

    Returns:
        RGB clamped to [0, 1], float32, on the CPU, (B, 3, sH, sW); `out` if it was given.

    Raises:
        ImageError: If `lq` or `out` does not fit, or the result is not finite.
        ConfigError: If an option is out of range.
        IDRError: If `idr` is another model's or another batch's.
        OutOfMemoryError: If the result, or what a tile of the smallest size takes, does not fit.
        Cancelled: If `cancelled` said so; `out` is then partly written.
    """
    options = UpscaleOptions(tile, overlap, wrap, batch)
    check_images(lq)
    run_dtype = pick_dtype(dtype, model.network.head.weight.device)
    b, _, h, w = lq.shape
    s = model.config.scale
    out = check_out(out, (b, 3, h * s, w * s))
    if idr is None:
        idr = estimate(model, lq, wrap=wrap, dtype=run_dtype, cancelled=cancelled)
    idr.check_model(model.fingerprint, model.config.n_feats)
    if len(idr) not in (1, len(lq)):
        raise IDRError(f"got {len(idr)} IDRs for {len(lq)} images; give one each or one for all")
    TiledNetwork(model, run_dtype).upscale(lq, idr, out, options, progress, cancelled)
    return out


class TiledNetwork:
    """A student's network, ready to run tile by tile with any of its IDRs.

    Args:
        model: On the device to run on.
        dtype: Of everything but the first convolution.
    """

    def __init__(self, model: Student, dtype: torch.dtype) -> None:
        self.model = model
        self.network = BakedKDSR.from_model(model).cast_body(dtype)
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def upscale(
        self,
        lq: Tensor,
        idr: IDR,
        out: Tensor,
        options: UpscaleOptions,
        progress: ProgressFn | None,
        cancelled: CancelledFn | None,
    ) -> None:
        """Upscales images into `out`; all arguments as in `upscale_tiled`, checked there."""
        frames = _Frames(self.network, lq, out, options, progress, cancelled)
        indices = list(range(len(lq)))
        # Images that share an IDR go together, else one after another.
        groups = [indices] if len(idr) == 1 else [[index] for index in indices]
        for group, row in zip(groups, range(len(idr)), strict=True):
            self.network.set_idr(self.model, idr[row])
            frames.upscale(group)


@dataclass
class _Frames:
    """The images of one call, and how much of them is done at a time."""

    network: BakedKDSR
    lq: Tensor
    out: Tensor
    options: UpscaleOptions
    progress: ProgressFn | None
    cancelled: CancelledFn | None

    def __post_init__(self) -> None:
        self.halo = self.options.halo(self.network.halo)
        self.weight = self.network.fuse.weight
        longest = max(self.lq.shape[-2:])
        device = self.weight.device
        self.work = Step(self._first_tile(), longest, device, self._batch, SHORTAGE_REMEDY)

    def upscale(self, indices: list[int]) -> None:
        """Does some of the images with the IDR that the network holds."""
        self.work.run(lambda: self._pass(indices))

    def _pass(self, indices: list[int]) -> None:
        plan = self._plan(self.work.tile)
        jobs = [(index, row, column) for index in indices for row, column in plan.tiles]
        before, total = indices[0] * len(plan.tiles), len(self.lq) * len(plan.tiles)
        batch = self.work.batch
        for first in range(0, len(jobs), batch):
            ask_cancelled(self.cancelled)
            step = jobs[first : first + batch]
            self._step(plan, step)
            if self.progress is not None:
                self.progress(before + first + len(step), total)

    def _step(self, plan: TilePlan, tiles: list[tuple[int, Span, Span]]) -> None:
        windows = cut_windows(self.lq, plan, tiles, torch.empty(0, device=self.weight.device))
        s = self.network.scale
        for (index, row, column), tile in zip(tiles, self.network(windows), strict=True):
            row, column = row.scaled(s), column.scaled(s)
            part = tile[:, row.inner, column.inner]
            check_computed(part)
            store(self.out[index][:, row.own, column.own], part)

    def _plan(self, tile: int | None) -> TilePlan:
        height, width = self.lq.shape[-2:]
        return plan_tiles(height, width, tile, self.halo, wrap=self.options.wrap)

    def _first_tile(self) -> int | None:
        if not isinstance(self.options.tile, str):
            return self.options.tile
        per_pixel = bytes_per_pixel(self.network.config, self.weight.element_size())
        budget = free_memory(self.weight.device) * _MEMORY_SHARE
        side = int((budget / per_pixel) ** 0.5)
        largest = _LARGEST_CPU_TILE if self.weight.device.type == "cpu" else _LARGEST_AUTO_TILE
        return max(SMALLEST_TILE, min(largest, side - 2 * self.halo))

    def _batch(self, tile: int | None) -> int:
        if isinstance(self.options.batch, int):
            return self.options.batch
        pixels = _CPU_STEP_PIXELS if self.weight.device.type == "cpu" else _GPU_STEP_PIXELS
        return max(1, min(_LARGEST_BATCH, pixels // self._plan(tile).window_pixels))
