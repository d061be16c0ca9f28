"""The IDR of a whole image, or of a masked part of it, whatever its size."""

from collections.abc import Iterator
from typing import TypedDict

import torch
from einops import reduce
from torch import Tensor

from ..errors import IDRError, ImageError
from ..idr import IDR
from ..memory import explaining_shortage
from ..network.models import Student
from ..options import EstimateOptions
from ..tiles.checks import check_images, check_weights
from ..tiles.windows import CancelledFn, ProgressFn
from .features import FeatureReader, TileFeatures
from .structure import structured_pixels


class EstimateKeywords(TypedDict, total=False):
    """The keyword arguments of `estimate`."""

    mask: Tensor | None
    tile: int | str | None
    wrap: tuple[bool, bool]
    dtype: str | torch.dtype
    progress: ProgressFn | None
    cancelled: CancelledFn | None
    provenance: dict[str, str] | None


@explaining_shortage("to estimate an IDR")
@torch.inference_mode()
def estimate(
    model: Student,
    lq: Tensor,
    *,
    mask: Tensor | None = None,
    tile: int | str | None = "auto",
    wrap: tuple[bool, bool] = (False, False),
    dtype: str | torch.dtype = "auto",
    progress: ProgressFn | None = None,
    cancelled: CancelledFn | None = None,
    provenance: dict[str, str] | None = None,
) -> IDR:
    """Estimates the IDR of each image, tile by tile.

    The estimator averages its features over the image before its MLP, so tiles need not be
    averaged as IDRs (which would be wrong): their features are summed, in float64, and the MLP
    runs once. The result equals that of one pass to float summation order. When memory runs out
    the tile is halved.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), on any device.
        mask: Weights in [0, 1], (B or 1, 1, H, W): only this region counts.
        tile: LQ pixels between halos, "auto", or None for one pass.
        wrap: Continue the image circularly along (width, height).
        dtype: As in `upscale`.
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
    options = EstimateOptions(tile, wrap)
    check_images(lq)
    weights = check_mask(mask, lq)
    reader = FeatureReader(model, lq, options, dtype, progress, cancelled)
    pooled = reader.average(lambda tiles: _mean(tiles, model, lq, weights))
    idr, idr_full = model.estimator.from_pooled(pooled.to(model.estimator.head.weight))
    described = {"model": model.metadata.get("name", model.config.preset_name or "custom")}
    structure = structured_pixels(lq, weights)
    return IDR(idr, idr_full, model.fingerprint, described | (provenance or {}), structure)


def _mean(
    tiles: Iterator[TileFeatures], model: Student, lq: Tensor, weights: Tensor | None
) -> Tensor:
    """Weighted means of the features of each image, (B, 4C)."""
    total = torch.zeros(len(lq), 4 * model.config.n_feats, dtype=torch.float64)
    for tile in tiles:
        values = tile.values
        if weights is not None:
            plane = weights[tile.index % len(weights), :, tile.row.own, tile.column.own]
            values = values * plane.to(values)
        # Columns in float32 (channels last, where such a sum is fast), then float64 on the CPU
        # (some devices have none).
        total[tile.index] += reduce(values, "c h w -> w c", "sum").cpu().double().sum(0)
    if weights is None:
        return total / (lq.shape[-2] * lq.shape[-1])
    return total / reduce(weights.double().cpu(), "b 1 h w -> b 1", "sum")


def check_mask(mask: Tensor | None, lq: Tensor) -> Tensor | None:
    """A mask in float32, checked against its images; None stays None.

    Raises:
        ImageError: If it has another shape, or negative or infinite weights.
        IDRError: If nothing is left of an image.
    """
    if mask is None:
        return None
    b, _, h, w = lq.shape
    mask = check_weights(mask, "the mask")
    if mask.ndim != 4 or mask.shape[1:] != (1, h, w) or mask.shape[0] not in (1, b):
        raise ImageError(
            f"expected a mask of shape (1 or {b}, 1, {h}, {w}) for these images, "
            f"got {tuple(mask.shape)}"
        )
    if not mask.flatten(1).any(1).all():
        raise IDRError("the mask is empty: paint at least one pixel of the region that counts")
    return mask
