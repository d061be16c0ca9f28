"""Several IDRs in one image: regions with soft edges.

Every region is upscaled with its own IDR and the results are blended, so that no kernel has to
change from pixel to pixel. An image that mixes sources (a photograph in a scan, a screenshot with
a picture in it) has no single degradation.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import IDRError, ImageError
from ..idr import IDR
from ..network.models import Student
from ..options import DEFAULT_TILING, UNWATCHED, Job, Size, Tiling
from ..pixels import check_weights
from . import estimate


@dataclass(frozen=True)
class Region:
    """Area of one IDR: a box of the image, with a weight for each of its pixels."""

    top: int
    left: int
    weights: Tensor
    """Weights (h, w), float32 on the CPU; those of all parts sum to 1 in each LQ pixel."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", check_weights(self.weights, "a region").cpu())
        if self.weights.ndim != 2 or 0 in self.weights.shape or self.top < 0 or self.left < 0:
            raise ImageError(
                f"expected a region as a box (h, w) inside the image, got {self.weights.shape} "
                f"at ({self.top}, {self.left})"
            )

    @property
    def bottom(self) -> int:
        """Row after its last one."""
        return self.top + self.weights.shape[0]

    @property
    def right(self) -> int:
        """Column after its last one."""
        return self.left + self.weights.shape[1]


@dataclass(frozen=True, eq=False)
class Regions:
    """IDRs with their areas, made by `of_weights`, `of_masks` or `kdsr.estimation.maps`."""

    idr: IDR
    """IDRs, one for each part."""
    parts: tuple[Region, ...]
    size: Size
    """Size of the LQ image."""

    def __post_init__(self) -> None:
        if len(self.idr) != len(self.parts):
            raise IDRError(
                f"got {len(self.idr)} IDRs for {len(self.parts)} regions, expected one each"
            )
        for part in self.parts:
            if part.bottom > self.size.height or part.right > self.size.width:
                raise ImageError(f"a region reaches beyond the image of {self.size}")

    def check_size(self, lq: Tensor) -> None:
        """Raises `ImageError` if images, (B, 3, H, W), are of another size."""
        if self.size != Size.of(lq):
            raise ImageError(f"the regions are for an image of {self.size}, got {Size.of(lq)}")

    @classmethod
    def of_weights(cls, idr: IDR, weights: Tensor) -> "Regions":
        """Gives each IDR its weights.

        Args:
            idr: N of them.
            weights: 0 or more, (N, 1, H, W); they need not sum to 1, but each pixel needs one.

        Raises:
            ImageError: If `weights` has another shape or leaves pixels out.
        """
        weights = _checked(weights)
        if len(weights) != len(idr):
            raise IDRError(f"got {len(idr)} IDRs for {len(weights)} regions; give one for each")
        total = weights.sum(0, dtype=torch.float64)  # of any weights that float32 holds
        if (total <= 0).any():
            share = (total <= 0).float().mean()
            raise ImageError(
                f"{share:.1%} of the image belongs to no region; add one for the rest (`with_rest`)"
            )
        parts = [boxed((plane / total)[0].float()) for plane in weights]
        used = [i for i, part in enumerate(parts) if part is not None]
        found = tuple(part for part in parts if part is not None)
        return cls(IDR.cat([idr[i] for i in used]), found, Size.of(weights))

    @classmethod
    def of_masks(
        cls,
        model: Student,
        lq: Tensor,
        masks: Tensor,
        *,
        feather: int = 16,
        tiling: Tiling = DEFAULT_TILING,
        job: Job = UNWATCHED,
    ) -> "Regions":
        """Estimates one IDR for each masked region and one for the rest.

        Args:
            model: Student, on the device to run on.
            lq: RGB in [0, 1], (B, 3, H, W); the IDRs are averaged over the batch.
            masks: 0 to 1, (N, 1, H, W).
            feather: LQ pixels over which regions fade into each other.
            tiling: Tiling, as in `estimate`.
            job: Receives the progress after each tile, and may cancel before it.
        """
        hard = with_rest(masks)
        idrs = [
            estimate(model, lq, mask=mask[None], tiling=tiling, job=job).mean() for mask in hard
        ]
        return cls.of_weights(IDR.cat(idrs), feathered(hard, feather))

    def divided(self, index: int, finer: "Regions") -> "Regions":
        """Divides one part by other regions.

        Args:
            index: Number of the part; the parts of `finer` that touch it replace it.
            finer: Regions of the whole image, of the same size.
        """
        pieces = [(_common(self.parts[index], part), row) for row, part in enumerate(finer.parts)]
        found = [(piece, row) for piece, row in pieces if piece is not None]
        others = [row for row in range(len(self.parts)) if row != index]
        parts = (*(self.parts[row] for row in others), *(piece for piece, _ in found))
        idrs = [self.idr[row] for row in others] + [finer.idr[row] for _, row in found]
        return Regions(IDR.cat(idrs), parts, self.size)


def with_rest(masks: Tensor) -> Tensor:
    """Adds the region that no mask covers, unless there is none: (N, 1, H, W) -> (N or N + 1, ...).

    Raises:
        ImageError: If a mask is empty or has another shape.
    """
    masks = _checked(masks)
    if not masks.flatten(1).any(1).all():
        raise ImageError("a mask is empty: paint at least one pixel of every region")
    rest = (1 - masks.sum(0, keepdim=True)).clamp_min(0)
    return torch.cat((masks, rest)) if rest.any() else masks


def feathered(masks: Tensor, radius: int) -> Tensor:
    """Softens the edges of masks.

    Args:
        masks: (N, 1, H, W).
        radius: LQ pixels on either side of an edge over which it fades; 0 leaves it.
    """
    if radius < 0:
        raise ImageError(f"feather must be 0 or more LQ pixels, got {radius}")
    radius = min(radius, 2 * max(masks.shape[-2:]))  # from there on nothing changes
    for reach in (radius // 2, radius - radius // 2):  # two box filters make a smooth ramp
        for size in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
            pads = (size[0] // 2, size[1] // 2)
            masks = F.avg_pool2d(masks, size, 1, pads, count_include_pad=False)
    return masks


def _common(one: Region, other: Region) -> Region | None:
    """Overlap of two areas, with the product of their weights; None if they do not overlap."""
    top, left = max(one.top, other.top), max(one.left, other.left)
    bottom, right = min(one.bottom, other.bottom), min(one.right, other.right)
    if top >= bottom or left >= right:
        return None
    first, second = (
        part.weights[top - part.top : bottom - part.top, left - part.left : right - part.left]
        for part in (one, other)
    )
    weights = first * second
    return Region(top, left, weights) if weights.any() else None


def _checked(weights: Tensor) -> Tensor:
    weights = check_weights(weights, "regions").cpu()
    if weights.ndim != 4 or weights.shape[1] != 1 or 0 in weights.shape:
        raise ImageError(
            f"expected regions as (regions, 1, height, width), got {tuple(weights.shape)}"
        )
    return weights


def boxed(plane: Tensor) -> Region | None:
    """The box of what is not zero and one pixel around it, so that weights can be interpolated."""
    spans = []
    for length, used in zip(plane.shape, (plane.any(1), plane.any(0)), strict=True):
        found = used.nonzero()
        if not len(found):
            return None
        spans.append(slice(max(0, int(found[0]) - 1), min(length, int(found[-1]) + 2)))
    return Region(spans[0].start, spans[1].start, plane[spans[0], spans[1]].clone())
