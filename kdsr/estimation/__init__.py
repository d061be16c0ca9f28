"""Image -> IDR: of a whole image or its visible parts; explains which parts were ignored.

`maps` and `regions` estimate IDRs that vary over an image or over the frames of a video.
May import: `kdsr.tiles`, `kdsr.network` and what lies at the top of `kdsr`; nothing else.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import IDRError, ImageError, explaining_shortage
from ..idr import IDR
from ..network.baked import lies_outside, range_of, votes
from ..network.models import Calibration, Student
from ..options import DEFAULT_TILING, SAMPLED, UNWATCHED, Job, Tiling
from ..pixels import check_images, check_weights
from .features import (
    BUDGET,
    CELL,
    Cells,
    FeatureReader,
    Grid,
    sample_windows,
    structured_pixels,
    sum_cells,
    sum_windows,
)


def visible(alpha: Tensor | None) -> Tensor | None:
    """Weights for `mask`: the opacity of each pixel; all pixels of an image that is hidden whole.

    Args:
        alpha: (B, 1, H, W) in [0, 1], or None.

    Returns:
        (B, 1, H, W); None where every pixel counts the same.
    """
    if alpha is None or bool((alpha >= 1).all()):
        return None
    hidden = ~(alpha > 0).flatten(1).any(1)
    return torch.where(hidden.reshape(-1, 1, 1, 1), 1.0, alpha)


_WORTH_A_LINE = 0.005
"""Share of a picture."""


def explained(model: Student, idr: IDR, say: Callable[..., str] = str.format) -> str:
    """A line about what was left out or will be drawn back; empty where nothing was.

    Args:
        model: The IDR's.
        idr: IDR of one picture or several.
        say: Gets an English text and the values of its braces, gives it in another language.
    """
    share = float(idr.left_out.mean())
    if share > 1 - _WORTH_A_LINE:
        return say("the picture looks like dither or hatching all over and is taken for clean")
    if lies_outside(model, idr):
        return say(
            "the IDR lies outside of the range that the model knows and is drawn back into it"
        )
    if share < _WORTH_A_LINE:
        return ""
    return say(
        "{share} of the picture looks like dither or hatching and was left out",
        share=f"{share:.0%}",
    )


@explaining_shortage("to estimate an IDR")
@torch.inference_mode()
def estimate(
    model: Student,
    lq: Tensor,
    *,
    mask: Tensor | None = None,
    tiling: Tiling = DEFAULT_TILING,
    job: Job = UNWATCHED,
    provenance: dict[str, str] | None = None,
) -> IDR:
    """Estimates the IDR of each image.

    The estimator averages its features over the image before its MLP, so tiles need not be
    averaged as IDRs (which would be wrong): their features are summed, in float64, and the MLP
    runs once. The result does not depend on tiles. When memory runs out the tile is halved.

    `tiling.estimate` "whole" is that mean over every pixel. "sampled" differs from it in two ways,
    if the model has a range (`kdsr.network.baked`): of an image of more than
    `kdsr.estimation.features.BUDGET` LQ pixels that are not masked a few windows are looked at, the
    same ones every time; and cells outside of the range, such as dither and hatching, do not count.
    Where none counts, the vector is that of a clean image.

    Args:
        model: Student, on the device to run on.
        lq: RGB in [0, 1] or uint8, (B, 3, H, W), on any device.
        mask: Weights in [0, 1], (B or 1, 1, H, W): only this region counts, and all of it does.
        tiling: How to run over the image. The overlap is always exact, tiles go one by one, and
            sampled windows never meet an edge, so that they do not wrap.
        job: Receives the progress after each tile, and may cancel before it.
        provenance: Origin of the images, kept with the result.

    Raises:
        ImageError: If `lq` or `mask` has the wrong shape, size or values.
        ConfigError: If an option is out of range.
        IDRError: If the mask is empty for some image.
        OutOfMemoryError: If even a tile of the smallest size does not fit.
        Cancelled: If the job says so.
    """
    check_images(lq, bytes_too=True)
    weights = check_mask(mask, lq)
    reader = FeatureReader(model, lq, tiling, job)
    calibration = range_of(model) if tiling.estimate == SAMPLED else None
    height, width = lq.shape[-2:]
    if calibration is not None and weights is None and height * width > BUDGET:
        cells = sum_windows(reader.sampled(), len(lq))
        structure = _sampled_structure(lq)
    else:
        grid = Grid.of_side(height, width, CELL)
        cells = sum_cells(reader.tiles(), grid, len(lq), weights)
        structure = structured_pixels(lq, weights)
    full, left_out = _voted(model, cells, calibration)
    idr = model.estimator.compress_stored(full)
    described = {"model": model.metadata.get("name", model.config.preset_name or "custom")}
    described |= provenance or {}
    counted = structure * (1 - left_out)
    return IDR(idr, full, model.fingerprint, described, counted, left_out)


def _voted(model: Student, cells: Cells, calibration: Calibration | None) -> tuple[Tensor, Tensor]:
    """idr_full, (B, 4C), that cells vote for, all of them where there is no range.

    Also the share of each image that does not count, (B,).
    """
    head = model.estimator.compress.weight

    def vectors(pooled: Tensor) -> Tensor:
        return model.estimator.from_pooled(pooled.to(head))[1].float().cpu()

    own = torch.ones_like(cells.pixels)
    if calibration is not None:
        own = votes(calibration, vectors(cells.means())).to(own)
    counted = (own * cells.pixels).sum(1) / cells.pixels.sum(1)
    # Where none counts, the pixels do, to be replaced.
    own = torch.where((counted > 0)[:, None], own, torch.ones_like(own))
    full = vectors(cells.pooled(own))
    if calibration is not None:
        full = torch.where((counted > 0)[:, None], full, calibration.clean)
    return full, (1 - counted).clamp(0, 1).float()


def _sampled_structure(lq: Tensor) -> Tensor:
    """Number of structured pixels of each image, (B,), extrapolated from the sampled cells."""
    height, width = lq.shape[-2:]
    parts = [
        lq[:, :, row.own, column.own] for row, column in sample_windows(height, width, 0).tiles
    ]
    found = torch.stack([structured_pixels(part) for part in parts]).sum(0)
    return found * (height * width / sum(part[0, 0].numel() for part in parts))


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
