"""Upscaling to any output size, with transparency: the network's factor, then a clean downscale."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ImageError
from ..estimation.regions import Regions
from ..idr import IDR
from ..memory import explaining_shortage
from ..network.models import Student
from ..pixels import WORD, on_grid, store
from ..tiles.checks import check_alpha, check_images, check_out
from ..tiles.windows import ProgressFn
from .blended import upscale
from .tiled import SHORTAGE_REMEDY, TileKeywords

if TYPE_CHECKING:
    from typing_extensions import Unpack

GrowingFn = Callable[[int, Tensor], None]
"""Called with the index of an image and the buffer that it and those after it are written into:
(n, 3, sH, sW), zero where nothing was written yet."""
_BUFFER_VALUES = 64 << 20  # of the full-size frames that exist at a time when downscaling
_REACH = 16  # output pixels; more than bicubic filters see past an edge


@explaining_shortage("to upscale", SHORTAGE_REMEDY)
@torch.inference_mode()
def upscale_to(
    model: Student,
    lq: Tensor,
    idr: IDR | Regions | None = None,
    size: tuple[int, int] | None = None,
    *,
    alpha: Tensor | None = None,
    out: Tensor | None = None,
    wrap: tuple[bool, bool] = (False, False),
    progress: ProgressFn | None = None,
    growing: GrowingFn | None = None,
    **options: "Unpack[TileKeywords]",
) -> Tensor:
    """Upscales to a given size; frames at the network's own size exist a few at a time only.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1], (B, 3, H, W), on any device.
        idr: As in `upscale`, or regions with their own.
        size: (height, width) of the result; the model's factor when left out. What differs from it
            is resized with an antialiased bicubic filter.
        alpha: Opacity in [0, 1], (B, 1, H, W). Resized by a bicubic filter, apart from the colours;
            those of hidden pixels are replaced by their visible neighbours' first, so that edges
            get no fringe.
        out: As in `upscale`, (B, 3 or with alpha 4, height, width).
        wrap: As in `upscale`; the resizing wraps too.
        progress: Called with (tiles done, tiles in all).
        growing: Told before a buffer is filled that is resized into `out` afterwards.
        **options: The other options of `upscale`.

    Returns:
        (B, 3 or 4, height, width) in [0, 1] on the CPU: `out` if it was given.

    Raises:
        ImageError: If `size`, `alpha` or `out` does not fit, or as `upscale` does.
        OutOfMemoryError: Before any work, if the result and what it is resized from do not fit.
    """
    check_images(lq)
    b, _, h, w = lq.shape
    s = model.config.scale
    full = (h * s, w * s)
    height, width = size or full
    if height < 1 or width < 1:
        raise ImageError(f"the output size must be at least 1 x 1 px, got {width} x {height}")
    if alpha is not None:
        check_alpha(alpha, lq)
    plain = (height, width) == full and alpha is None
    out = check_out(
        out,
        (b, 3 if alpha is None else 4, height, width),
        besides=0 if plain else resizing_bytes(full, (height, width)) * _group(b, full),
    )
    if plain:
        return upscale(model, lq, idr, out=out, wrap=wrap, progress=progress, **options)
    buffer = torch.empty(_group(b, full), 3, *full)
    for frames in _groups(b, full):
        colour = lq[frames]
        if alpha is not None:
            opacity = alpha[frames].float().cpu()
            resized = resize(opacity, (height, width), wrap)
            # The filter's weights sum to 1 almost; what is opaque must stay so when cut to 8 bits.
            store(out[frames, 3:], on_grid(resized, WORD))
            colour = bleed(colour.float().cpu(), opacity)
        some = idr[frames] if isinstance(idr, IDR) and len(idr) > 1 else idr
        report = _share(progress, frames, b)
        sr = buffer[: len(colour)].zero_()
        if growing is not None:
            growing(frames.start, sr)
        upscale(model, colour, some, out=sr, wrap=wrap, progress=report, **options)
        store(out[frames, :3], resize(sr, (height, width), wrap))
    return out


def resize(images: Tensor, size: tuple[int, int], wrap: tuple[bool, bool]) -> Tensor:
    """Resizes with an antialiased bicubic filter, which may overshoot the range of the input.

    Args:
        images: Float, (B, C, H, W).
        size: (height, width) of the result.
        wrap: Continue the image circularly along (width, height).
    """
    height, width = images.shape[-2:]
    if size == (height, width):
        return images
    across, to_across = _wrap_pads(width, size[1]) if wrap[0] else (0, 0)
    down, to_down = _wrap_pads(height, size[0]) if wrap[1] else (0, 0)
    rows = torch.arange(-down, height + down, device=images.device) % height
    columns = torch.arange(-across, width + across, device=images.device) % width
    if down or across:
        images = images[..., rows[:, None], columns]
    padded = (size[0] + 2 * to_down, size[1] + 2 * to_across)
    resized = F.interpolate(images, padded, mode="bicubic", align_corners=False, antialias=True)
    return resized[..., to_down : to_down + size[0], to_across : to_across + size[1]]


def bleed(colour: Tensor, alpha: Tensor) -> Tensor:
    """Gives hidden pixels the colour of the visible ones around them.

    Args:
        colour: Straight (not premultiplied), (B, 3, H, W).
        alpha: (B, 1, H, W); pixels where it is 0 are replaced.
    """
    hidden = alpha <= 0
    if not hidden.any() or hidden.all():
        return colour
    return torch.where(hidden, _fill(colour * alpha, alpha), colour)


def _fill(premultiplied: Tensor, alpha: Tensor) -> Tensor:
    """Averages over ever larger neighbourhoods, until each has something visible."""
    colour = premultiplied / alpha.clamp_min(1e-8)
    height, width = alpha.shape[-2:]
    if max(height, width) == 1:
        return colour
    coarse = [
        F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (premultiplied, alpha)
    ]
    below = F.interpolate(_fill(*coarse), (height, width), mode="nearest")
    return torch.where(alpha > 0, colour, below)


def _wrap_pads(length: int, target: int) -> tuple[int, int]:
    """Pixels to add at each end before and after resizing, in the exact ratio of the sizes."""
    common = math.gcd(length, target)
    before, after = length // common, target // common
    times = math.ceil(_REACH / after) if before < length else 1
    return before * times, after * times


def resizing_bytes(full: tuple[int, int], size: tuple[int, int]) -> int:
    """What resizing one frame takes at a time: before, halfway (axis after axis) and after.

    Args:
        full: (height, width) of the network's result.
        size: That of the frame in the end.
    """
    pixels = full[0] * full[1]
    if size != full:
        pixels += full[0] * size[1] + size[0] * size[1]
    return 4 * 3 * pixels


def _group(frames: int, full: tuple[int, int]) -> int:
    """Frames whose full-size results fit into the buffer, at least one."""
    return min(frames, max(1, _BUFFER_VALUES // (3 * full[0] * full[1])))


def _groups(frames: int, full: tuple[int, int]) -> Iterator[slice]:
    step = _group(frames, full)
    return (slice(first, min(first + step, frames)) for first in range(0, frames, step))


def _share(progress: ProgressFn | None, frames: slice, total: int) -> ProgressFn | None:
    """Reports the progress of some frames as that of all."""
    if progress is None:
        return None

    def report(done: int, tiles: int) -> None:
        each = tiles // (frames.stop - frames.start)  # tiles are counted over the frames
        progress(frames.start * each + done, total * each)

    return report
