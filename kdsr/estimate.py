"""Streaming estimation: the whole image's IDR, whatever its size."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import IDRError, ImageError
from .idr import IDR
from .precision import pick_dtype
from .tiling import plan_tiles
from .windows import CancelledFn, ProgressFn, ask_cancelled, check_images, cut_windows

if TYPE_CHECKING:
    from .model import KDSR

DEFAULT_TILE = 512
"""LQ pixels; the result does not depend on it, so it is merely small enough for any device."""


@torch.inference_mode()
def estimate(
    model: "KDSR",
    lq: Tensor,
    *,
    mask: Tensor | None = None,
    tile: int | None = DEFAULT_TILE,
    wrap: tuple[bool, bool] = (False, False),
    dtype: str | torch.dtype = "auto",
    progress: ProgressFn | None = None,
    cancelled: CancelledFn | None = None,
    provenance: dict[str, str] | None = None,
) -> IDR:
    """Estimates the IDR of each image, tile by tile.

    The estimator averages its features over the image before its MLP, so tiles need not be
    averaged as IDRs (which would be wrong): their features are summed, in float64, and the MLP
    runs once. The result equals that of one pass to float summation order.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), on any device.
        mask: Weights in [0, 1], (B or 1, 1, H, W): only this region counts.
        tile: LQ pixels between halos, or None for one pass.
        wrap: Continue the image circularly along (width, height).
        dtype: As in `upscale`.
        progress: Called with (tiles done, tiles in all).
        cancelled: Asked before each tile.
        provenance: Kept with the result.

    Raises:
        ImageError: If `lq` or `mask` has the wrong shape, size or values.
        IDRError: If the mask is empty for some image.
        Cancelled: If `cancelled` said so.
    """
    check_images(lq)
    if tile is not None and tile < 1:
        raise ImageError(f"tile must be at least 1 LQ pixel, or None for one pass, got {tile}")
    weights = _check_mask(mask, lq)
    head = model.estimator.head.weight
    run_dtype = pick_dtype(dtype, head.device)
    halo = model.config.estimator_halo
    height, width = lq.shape[-2:]
    plan = plan_tiles(height, width, tile, halo, wrap=wrap)
    like = torch.empty(0, device=head.device, dtype=head.dtype)
    total = torch.zeros(len(lq), 4 * model.config.n_feats, dtype=torch.float64)
    count = torch.zeros(len(lq), 1, dtype=torch.float64)
    jobs = [(index, row, column) for index in range(len(lq)) for row, column in plan.tiles]
    for done, (index, row, column) in enumerate(jobs):
        ask_cancelled(cancelled)
        weight = None
        if weights is not None:
            weight = weights[index % len(weights), :, row.start : row.stop]
            weight = weight[..., column.start : column.stop]
            if not weight.any():
                continue
            count[index] += weight.double().sum().cpu()
        else:
            count[index] += (row.stop - row.start) * (column.stop - column.start)
        window = cut_windows(lq, plan, [(index, row, column)], like)
        with torch.autocast(head.device.type, run_dtype, enabled=run_dtype != torch.float32):
            features = model.estimator.features(window)[0].float()
        features = features[
            :,
            row.offset : row.offset + row.stop - row.start,
            column.offset : column.offset + column.stop - column.start,
        ]
        if weight is not None:
            features = features * weight.to(features)
        # Columns in float32 (channels last, where such a sum is fast), then float64 on the CPU
        # (some devices have none).
        total[index] += features.permute(1, 2, 0).sum(0).cpu().double().sum(0)
        if progress is not None:
            progress(done + 1, len(jobs))
    if (count == 0).any():
        raise IDRError("the mask is empty: paint at least one pixel of the region that counts")
    pooled = (total / count).to(like)
    idr, idr_full = model.estimator.from_pooled(pooled)
    described = {"model": model.metadata.get("name", model.config.preset_name or "custom")}
    return IDR(idr, idr_full, model.fingerprint, described | (provenance or {}))


def _check_mask(mask: Tensor | None, lq: Tensor) -> Tensor | None:
    if mask is None:
        return None
    b, _, h, w = lq.shape
    if mask.ndim != 4 or mask.shape[1:] != (1, h, w) or mask.shape[0] not in (1, b):
        raise ImageError(
            f"expected a mask of shape (1 or {b}, 1, {h}, {w}) for these images, "
            f"got {tuple(mask.shape)}"
        )
    mask = mask.float()
    if not torch.isfinite(mask).all() or mask.min() < 0:
        raise ImageError("the mask must hold finite weights of 0 or more")
    return mask
