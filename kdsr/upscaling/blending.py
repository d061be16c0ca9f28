"""Regions with IDRs of their own in one result: where each is computed, and how it is added."""

import torch.nn.functional as F
from torch import Tensor

from ..estimation.regions import Region
from ..options import Size


class Part:
    """A region at work.

    Args:
        region: Of an LQ image.
        reach: LQ pixels that the network sees on each side.
        size: Of the LQ image.
        wrap: Whether it continues along (width, height).
        scale: Of the network.
    """

    def __init__(
        self, region: Region, reach: int, size: Size, wrap: tuple[bool, bool], scale: int
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
        """What the region depends on, of LQ images (B, C, H, W)."""
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
