"""Upscaling with an IDR for each region, and the one entry for both kinds of IDR."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..estimation.regions import Region, Regions
from ..idr import IDR
from ..memory import explaining_shortage
from ..network.models import Student
from ..options import UpscaleOptions
from ..pixels import store
from ..tiles.checks import check_images, check_out
from ..tiles.precision import pick_dtype
from ..tiles.windows import CancelledFn, ProgressFn, ask_cancelled
from .tiled import SHORTAGE_REMEDY, TiledNetwork, UpscaleKeywords, upscale_tiled

if TYPE_CHECKING:
    from typing_extensions import Unpack


def upscale(
    model: Student,
    lq: Tensor,
    idr: IDR | Regions | None = None,
    **keywords: "Unpack[UpscaleKeywords]",
) -> Tensor:
    """Upscales with one IDR for the whole image, or with `Regions`; see `kdsr.upscaling.tiled`."""
    if isinstance(idr, Regions) and len(idr.parts) > 1:
        return upscale_regions(model, lq, idr, **keywords)
    if isinstance(idr, Regions):
        check_images(lq)
        idr.check_size(lq)
        idr = idr.idr  # nothing to blend: tile by tile into the result
    return upscale_tiled(model, lq, idr, **keywords)


@explaining_shortage("to upscale", SHORTAGE_REMEDY)
@torch.inference_mode()
def upscale_regions(
    model: Student,
    lq: Tensor,
    regions: Regions,
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
    """Upscales images with an IDR for each region, blended.

    Each region is computed in its bounding box with the network's whole receptive field around it,
    so it equals the same region of the whole image upscaled with that IDR. Regions cost as much as
    the boxes they lie in, and the largest of these comes on top of the memory of the result.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), of the regions' size: the same regions for all.
        regions: Of `lq`'s size and this model's IDRs.
        tile: As in `upscale_tiled`, like all that follow.
        overlap: See there.
        wrap: See there.
        dtype: See there.
        batch: See there.
        out: See there. Where a region is not done yet, a float32 one shows the enlarged image.
        progress: Called with (LQ pixels done, LQ pixels in all).
        cancelled: Asked before each step.

    Returns:
        As `upscale_tiled`.

    Raises:
        ImageError: If `lq` or `out` does not fit.
        IDRError: If the regions' IDRs are another model's.
        OutOfMemoryError: As `upscale_tiled`.
    """
    options = UpscaleOptions(tile, overlap, wrap, batch)
    check_images(lq)
    frames, _, height, width = lq.shape
    regions.check_size(lq)
    regions.idr.check_model(model.fingerprint, model.config.n_feats)
    s = model.config.scale
    boxes = [_grown(region, model.network.halo, regions.size, wrap) for region in regions.parts]
    areas = [(box[1] - box[0]) * (box[3] - box[2]) for box in boxes]
    apart = out is not None and out.dtype != torch.float32  # blended elsewhere first
    besides = (apart * height * width + max(areas, default=0)) * 3 * s * s * 4
    out = check_out(out, (frames, 3, height * s, width * s), besides)
    network = TiledNetwork(model, pick_dtype(dtype, model.network.head.weight.device))
    done, total = 0, sum(areas) * frames
    for frame in range(frames):
        pixels = lq[frame].float().cpu()[:, :, None, :, None]
        blended = torch.empty(out.shape[1:]) if apart else out[frame]
        _blocks(blended, s).copy_(pixels)
        for index, (region, box, area) in enumerate(zip(regions.parts, boxes, areas, strict=True)):
            ask_cancelled(cancelled)
            top, bottom, left, right = box
            sr = torch.empty(1, 3, (bottom - top) * s, (right - left) * s)
            network.upscale(
                lq[frame : frame + 1, :, top:bottom, left:right],
                regions.idr[index],
                sr,
                options,
                _within(progress, done, area, total),
                cancelled,
            )
            # What a region adds is its difference to what is there, so that the rest stays whole.
            _blocks(sr[0], s).sub_(pixels[:, top:bottom, :, left:right])
            _add(blended, sr[0], region, (top, left), s, wrap)
            done += area
            if progress is not None:
                progress(done, total)
        store(out[frame], blended)  # clamped: the weights sum to 1 only up to rounding
    return out


def _add(
    blended: Tensor,
    sr: Tensor,
    region: Region,
    origin: tuple[int, int],
    s: int,
    wrap: tuple[bool, bool],
) -> None:
    """Adds one region, weighted, to the result. `origin` is that of `sr`, LQ pixels."""
    weights = _enlarged(region.weights, s, wrap)
    height, width = weights.shape
    y, x = (region.top - origin[0]) * s, (region.left - origin[1]) * s
    target = blended[:, region.top * s : region.top * s + height]
    target = target[:, :, region.left * s : region.left * s + width]
    target += sr[:, y : y + height, x : x + width] * weights


def _blocks(image: Tensor, s: int) -> Tensor:
    """A view of (3, sH, sW) by the LQ pixels that it comes from: (3, H, s, W, s)."""
    return image.unflatten(2, (-1, s)).unflatten(1, (-1, s))


def _enlarged(weights: Tensor, s: int, wrap: tuple[bool, bool]) -> Tensor:
    """Interpolates (h, w) to (s * h, s * w), across the ends of axes that wrap."""
    across, down = wrap
    padded = F.pad(weights[None, None], (int(across),) * 2 + (0, 0), mode="circular")
    padded = F.pad(padded, (0, 0) + (int(down),) * 2, mode="circular")
    large = F.interpolate(padded, scale_factor=s, mode="bilinear")[0, 0]
    height, width = (side * s for side in weights.shape)
    return large[s * down : s * down + height, s * across : s * across + width]


def _grown(
    region: Region, reach: int, size: tuple[int, int], wrap: tuple[bool, bool]
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what a region depends on; the whole axis if it wraps."""
    (height, width), (h, w) = size, region.weights.shape
    top, bottom = max(0, region.top - reach), min(height, region.top + h + reach)
    left, right = max(0, region.left - reach), min(width, region.left + w + reach)
    if wrap[1]:
        top, bottom = 0, height
    if wrap[0]:
        left, right = 0, width
    return top, bottom, left, right


def _within(progress: ProgressFn | None, before: int, share: int, total: int) -> ProgressFn | None:
    """Reports the steps of a region but the last, which is not done before it is added."""
    if progress is None:
        return None

    def report(done: int, steps: int) -> None:
        if done < steps:
            progress(before + share * done // steps, total)

    return report
