"""Upscaling with an IDR for each region."""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ImageError
from .regions import Part, Regions
from .windows import CancelledFn, ProgressFn, ask_cancelled, check_images, check_out

if TYPE_CHECKING:
    from .model import KDSR


@torch.inference_mode()
def upscale_regions(
    model: "KDSR",
    lq: Tensor,
    regions: Regions,
    *,
    out: Tensor | None = None,
    wrap: tuple[bool, bool] = (False, False),
    progress: ProgressFn | None = None,
    cancelled: CancelledFn | None = None,
    **options: Any,
) -> Tensor:
    """Upscales images with an IDR for each region, blended.

    Each region is computed in its bounding box with the network's whole receptive field around it,
    so it equals the same region of the whole image upscaled with that IDR. Peak memory is about
    twice the result of one image; regions cost as much as the boxes they lie in.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), of the regions' size: the same regions for all.
        regions: Of `lq`'s size and this model's IDRs.
        out: As in `upscale`.
        wrap: As in `upscale`.
        progress: Called with (LQ pixels done, LQ pixels in all).
        cancelled: Asked before each step.
        **options: The other options of `upscale`.

    Returns:
        As `upscale`.

    Raises:
        ImageError: If `lq` or `out` does not fit.
        IDRError: If the regions' IDRs are another model's.
    """
    check_images(lq)
    batch, _, height, width = lq.shape
    if regions.size != (height, width):
        raise ImageError(
            f"the regions are for an image of {regions.size[1]} x {regions.size[0]} px, got "
            f"{width} x {height}"
        )
    regions.idr.check_model(model.fingerprint)
    s = model.config.scale
    out = check_out(out, (batch, 3, height * s, width * s))
    reach = model.config.network_halo
    boxes = [_grown(part, reach, regions.size, wrap) for part in regions.parts]
    areas = [(box[1] - box[0]) * (box[3] - box[2]) for box in boxes]
    done, total = 0, sum(areas) * batch
    for frame in range(batch):
        blended = torch.zeros(3, height * s, width * s)
        for index, (part, box, area) in enumerate(zip(regions.parts, boxes, areas, strict=True)):
            ask_cancelled(cancelled)
            top, bottom, left, right = box
            sr = model.upscale(
                lq[frame : frame + 1, :, top:bottom, left:right],
                regions.idr[index],
                wrap=wrap,
                progress=_within(progress, done, area, total),
                cancelled=cancelled,
                **options,
            )[0]
            _add(blended, sr, part, (top, left), s)
            done += area
        out[frame].copy_(blended.mul_(255).round_() if out.dtype == torch.uint8 else blended)
    return out


def _add(blended: Tensor, sr: Tensor, part: Part, origin: tuple[int, int], s: int) -> None:
    """Adds the part of one region, weighted, to the result. `origin` is that of `sr`, LQ pixels."""
    height, width = (side * s for side in part.weights.shape)
    weights = F.interpolate(part.weights[None, None], scale_factor=s, mode="bilinear")[0]
    y, x = (part.top - origin[0]) * s, (part.left - origin[1]) * s
    target = blended[:, part.top * s : part.top * s + height]
    target = target[:, :, part.left * s : part.left * s + width]
    target += sr[:, y : y + height, x : x + width] * weights


def _grown(
    part: Part, reach: int, size: tuple[int, int], wrap: tuple[bool, bool]
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what a part's pixels depend on; the whole axis if it wraps."""
    (height, width), (h, w) = size, part.weights.shape
    top, bottom = max(0, part.top - reach), min(height, part.top + h + reach)
    left, right = max(0, part.left - reach), min(width, part.left + w + reach)
    if wrap[1]:
        top, bottom = 0, height
    if wrap[0]:
        left, right = 0, width
    return top, bottom, left, right


def _within(progress: ProgressFn | None, before: int, share: int, total: int) -> ProgressFn | None:
    if progress is None:
        return None
    return lambda done, steps: progress(before + share * done // steps, total)
