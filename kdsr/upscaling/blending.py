"""Blends regions of an image, each upscaled with its own IDR; loaded only for regions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..estimation.regions import Region, Regions
from ..idr import IDR
from ..network.models import Student
from ..options import Job, Size
from ..pixels import store


@dataclass(frozen=True)
class Blender:
    """Regions at work."""

    model: Student
    """Model of their IDRs."""
    regions: Regions
    wrap: tuple[bool, bool] = (False, False)
    """Whether the image continues along (width, height)."""

    @property
    def parts(self) -> list["Part"]:
        """What is to be computed for each region."""
        size, reach, scale = self.regions.size, self.model.network.halo, self.model.config.scale
        return [Part(region, reach, size, self.wrap, scale) for region in self.regions.parts]

    def bytes(self, full: Size, *, apart: bool) -> int:
        """Bytes for blending: the largest region, and with `apart` a copy of the result."""
        s = self.model.config.scale
        largest = max(part.size.scaled(s).pixels for part in self.parts)
        return 4 * 3 * (largest + apart * full.pixels)

    def blend(
        self, lq: Tensor, out: Tensor, fill: Callable[[Tensor, IDR, Tensor, Job], None], job: Job
    ) -> None:
        """Fills a result with each region by its own IDR.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W), on any device.
            out: The result on the CPU, (B, 3, sH, sW), float or uint8.
            fill: Upscales LQ images by one IDR into a tensor.
            job: Receives the progress after each region, and may cancel before it.
        """
        s, parts = self.model.config.scale, self.parts
        done, total = 0, len(lq) * sum(part.size.pixels for part in parts)
        for frame, target in zip(lq.split(1), out, strict=True):
            pixels = frame[0].float().cpu()
            blended = target if out.dtype == torch.float32 else torch.empty(out.shape[1:])
            blocks(blended, s).copy_(pixels[:, :, None, :, None])
            for index, part in enumerate(parts):
                job.check()
                area = part.size.pixels
                sr = torch.empty(1, 3, *part.size.scaled(s).shape)
                fill(part.cut(frame), self.regions.idr[index], sr, job.part(done, area, total))
                part.add(blended, sr[0], pixels)
                done += area
                job.report(done, total)
            store(target, blended)  # clamped: the weights sum to 1 only up to rounding


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
