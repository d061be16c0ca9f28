"""The model that people load: the student, and everything that can be done with it."""

import torch
from torch import Tensor

from .estimation.regions import Regions
from .idr import IDR
from .network.baked import BakedKDSR
from .network.models import Student
from .options import SAMPLED, CancelledFn, Job, ProgressFn, Tiling
from .tiles.checks import check_images
from .upscaling.upscaler import Upscaler


class KDSR(Student):
    """The student: image -> `estimate` -> IDR -> `upscale` -> image.

    The methods take keywords, for people; inside the library the same are `kdsr.options.Tiling` and
    `Job`, and `kdsr.upscaling.upscaler.Upscaler` does the work.

    Args:
        config: The network's shape. Weights are random until loaded; see `kdsr.load`.
    """

    def estimate(
        self,
        lq: Tensor,
        *,
        mask: Tensor | None = None,
        tile: int | str | None = "auto",
        wrap: tuple[bool, bool] = (False, False),
        dtype: str | torch.dtype = "auto",
        estimate: str = SAMPLED,
        progress: ProgressFn | None = None,
        cancelled: CancelledFn | None = None,
        provenance: dict[str, str] | None = None,
    ) -> IDR:
        """Estimates the IDR of each image, tile by tile; the result does not depend on the tiles.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W), on any device.
            mask: Weights in [0, 1], (B or 1, 1, H, W): only this region counts.
            tile: LQ pixels between halos, "auto", or None for one pass.
            wrap: Continue the image circularly along (width, height).
            dtype: "auto", "fp32", "fp16" (CUDA), "bf16" or a torch dtype.
            estimate: "sampled" or "whole"; see `kdsr.estimation.whole`.
            progress: Called with (tiles done, tiles in all).
            cancelled: Asked before each tile.
            provenance: Kept with the result.

        Raises:
            ImageError: If `lq` or `mask` has the wrong shape, size or values.
            ConfigError: If an option is out of range.
            IDRError: If the mask is empty for some image.
            OutOfMemoryError: If even a tile of the smallest size does not fit.
            Cancelled: If `cancelled` said so.
        """
        check_images(lq)
        upscaler = Upscaler(self, Tiling(tile, wrap=wrap, dtype=dtype, estimate=estimate))
        return upscaler.estimate(lq, mask, job=Job(progress, cancelled), provenance=provenance)

    def upscale(
        self,
        lq: Tensor,
        idr: IDR | Regions | None = None,
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
        """Upscales images of any size by the model's factor.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W), on any device.
            idr: For each image or one for all; estimated from `lq` when left out. With `Regions`
                each part of the image has an IDR of its own; see `kdsr.estimation.regions`.
            tile: Largest number of LQ pixels between two halos, "auto" for as many as fit into free
                memory, or None for one pass.
            overlap: "exact", "fast" (32 LQ pixels; differences of about 1e-3) or LQ pixels.
            wrap: Continue the image circularly along (width, height), so that a seamless texture
                stays seamless; in the estimate too.
            dtype: "auto", "fp32", "fp16" (CUDA), "bf16" or a torch dtype.
            batch: Tiles per step, or "auto".
            out: Tensor (B, 3, sH, sW) on the CPU, of any strides, to write into: float, or uint8
                for values rounded to 0-255 in a quarter of the memory.
            progress: Called with (steps done, steps in all).
            cancelled: Asked before each step.

        Returns:
            RGB clamped to [0, 1], float32, on the CPU, (B, 3, sH, sW); `out` if it was given.

        Raises:
            ImageError: If `lq` or `out` does not fit, or the result is not finite.
            ConfigError: If an option is out of range.
            IDRError: If `idr` is another model's or another batch's.
            OutOfMemoryError: If the result, or what a tile of the smallest size takes, does not
                fit.
            Cancelled: If `cancelled` said so; `out` is then partly written.
        """
        upscaler = Upscaler(self, Tiling(tile, overlap, wrap, dtype, batch))
        return upscaler.upscale(lq, idr, out=out, job=Job(progress, cancelled))

    def bake(self, idr: IDR) -> BakedKDSR:
        """Returns a plain module (B, 3, H, W) -> (B, 3, sH, sW) with this IDR built in."""
        return Upscaler(self).bake(idr)
