"""Resizes results with their transparency, and blends regions with different IDRs."""

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..options import Size

if TYPE_CHECKING:
    from ..estimation.regions import Region

_BUFFER_VALUES = 64 << 20  # of the full-size frames that exist at a time when downscaling
_REACH = 16  # output pixels; more than bicubic filters see past an edge


def resize(images: Tensor, size: Size, wrap: tuple[bool, bool]) -> Tensor:
    """Resizes with an antialiased bicubic filter, which may overshoot the range of the input.

    Args:
        images: Float, (B, C, H, W).
        size: Size of the result.
        wrap: Continue the image circularly along (width, height).
    """
    own = Size.of(images)
    if size == own:
        return images
    across, to_across = _wrap_pads(own.width, size.width) if wrap[0] else (0, 0)
    down, to_down = _wrap_pads(own.height, size.height) if wrap[1] else (0, 0)
    rows = torch.arange(-down, own.height + down, device=images.device) % own.height
    columns = torch.arange(-across, own.width + across, device=images.device) % own.width
    if down or across:
        images = images[..., rows[:, None], columns]
    padded = (size.height + 2 * to_down, size.width + 2 * to_across)
    resized = F.interpolate(images, padded, mode="bicubic", align_corners=False, antialias=True)
    rows = slice(to_down, to_down + size.height)
    return resized[..., rows, to_across : to_across + size.width]


def bleed(colour: Tensor, alpha: Tensor) -> Tensor:
    """Fills hidden pixels with the colours of visible neighbours.

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
    """Padding at each end before and after resizing, in the exact ratio of the sizes."""
    common = math.gcd(length, target)
    before, after = length // common, target // common
    times = math.ceil(_REACH / after) if before < length else 1
    return before * times, after * times


def resizing_bytes(full: Size, size: Size) -> int:
    """Peak memory of resizing one frame: before, halfway (axis after axis) and after.

    Args:
        full: Size of the network's result.
        size: Size of the final frame.
    """
    pixels = full.pixels
    if size != full:
        pixels += full.height * size.width + size.pixels
    return 4 * 3 * pixels


def group_of(frames: int, full: Size) -> int:
    """Number of frames to resize at a time, so that their full-size results fit into a buffer."""
    return min(frames, max(1, _BUFFER_VALUES // (3 * full.pixels)))


class Part:
    """A region at work.

    Args:
        region: Region of an LQ image.
        reach: LQ pixels that the network sees on each side.
        size: Size of the LQ image.
        wrap: Whether it continues along (width, height).
        scale: The network's upscaling factor.
    """

    def __init__(
        self, region: "Region", reach: int, size: Size, wrap: tuple[bool, bool], scale: int
    ) -> None:
        self.region, self.wrap, self.scale = region, wrap, scale
        self.rows = slice(max(0, region.top - reach), min(size.height, region.bottom + reach))
        """LQ rows that the region depends on; all where they wrap."""
        self.columns = slice(max(0, region.left - reach), min(size.width, region.right + reach))
        """LQ columns that it depends on."""
        if wrap[1]:
            self.rows = slice(0, size.height)
        if wrap[0]:
            self.columns = slice(0, size.width)
        self.size = Size(self.columns.stop - self.columns.start, self.rows.stop - self.rows.start)
        """The size of what is computed, LQ pixels."""

    def cut(self, images: Tensor) -> Tensor:
        """The part of LQ images (B, C, H, W) that the region depends on."""
        return images[:, :, self.rows, self.columns]

    def add(self, blended: Tensor, sr: Tensor, pixels: Tensor) -> None:
        """Adds the region, weighted, to a result that began as the image, enlarged.

        What it adds is its difference to that, so that the rest stays whole.

        Args:
            blended: The result, (3, sH, sW).
            sr: The upscaled cut, (3, s rows, s columns); changed.
            pixels: The LQ image, (3, H, W).
        """
        region, s = self.region, self.scale
        blocks(sr, s).sub_(pixels[:, self.rows, None, self.columns, None])
        weights = _enlarged(region.weights, s, self.wrap)
        height, width = weights.shape
        y, x = (region.top - self.rows.start) * s, (region.left - self.columns.start) * s
        target = blended[:, region.top * s : region.top * s + height]
        target = target[:, :, region.left * s : region.left * s + width]
        target += sr[:, y : y + height, x : x + width] * weights


def blocks(image: Tensor, s: int) -> Tensor:
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
