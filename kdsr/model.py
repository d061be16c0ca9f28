"""The face of the library: `KDSR` estimates, upscales and bakes; models between two."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import ConfigError
from .idr import IDR
from .network.baked import BakedKDSR
from .network.models import Student
from .options import CRISPNESSES, SAMPLED, CancelledFn, Job, ProgressFn, Tiling
from .pixels import check_images
from .upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from .estimation.regions import Regions


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
            estimate: "sampled" or "whole"; see `kdsr.estimation.estimate`.
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
        idr: "IDR | Regions | None" = None,
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


@torch.no_grad()
def blend_models(faithful: KDSR, crisp: KDSR, weight: float, *, estimators: bool = False) -> KDSR:
    """Mixes the super-resolution networks of two models, weight by weight.

    A network that was trained on from another (adversarially, from one trained on L1) stays close
    enough to it that the networks between them work too ("Deep Network Interpolation", Wang et
    al., CVPR 2019). The estimator has to be the same, as `--gan.estimator_lr 0` keeps it: then the
    result's IDRs mean what they mean to both, and readings and references hold.

    With `estimators`, two models that were trained on from one, each on its own degradations,
    become one that serves both ("Model soups", Wortsman et al., ICML 2022). Its IDRs mean nothing
    to either, so that it has no calibration: `train/calibrate.py` makes one.

    Args:
        faithful: Weight 0.
        crisp: Weight 1; of the same size, with the same estimator unless `estimators`.
        weight: One of `CRISPNESSES`; above 1 it goes beyond `crisp`.
        estimators: Whether the estimators may differ, and are mixed too.

    Returns:
        A new model, on the CPU. It has the fingerprint of both unless estimators are mixed.

    Raises:
        ConfigError: If the weight is out of range or the models do not belong together.
    """
    least, most = CRISPNESSES
    if not least <= weight <= most:
        raise ConfigError(f"expected a weight of {least:g} (faithful) to {most}, got {weight}")
    if faithful.config != crisp.config:
        raise ConfigError(
            f"models of different size cannot be blended: {faithful.config} and {crisp.config}"
        )
    own, others = faithful.state_dict(), crisp.state_dict()
    differing = [
        key
        for key in own
        if key.startswith("estimator.") and not torch.equal(own[key].cpu(), others[key].cpu())
    ]
    if differing and not estimators:
        raise ConfigError(
            f"the models estimate differently ({len(differing)} tensors of their estimators "
            "differ), so that an IDR of one means nothing to the other; blend a model with one "
            "that was trained on from it with a frozen estimator (--gan.estimator_lr 0), or mix "
            "the estimators, too (--estimators)"
        )
    blended = KDSR(faithful.config)
    blended.load_state_dict(
        {key: own[key].cpu().lerp(others[key].cpu().float(), weight) for key in own}
    )
    blended.calibration = None if differing else faithful.calibration
    blended.metadata = {**faithful.metadata, "blend": f"{weight:g}"}
    blended.freeze()
    return blended
