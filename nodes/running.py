"""How every node calls the library: the model made ready, one progress bar, interruptible."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..kdsr.estimation.grid import LocalIDRs, estimate_local
from ..kdsr.estimation.maps import idr_map
from ..kdsr.estimation.regions import Regions
from ..kdsr.idr import IDR
from ..kdsr.meaning.strength import with_strength
from ..kdsr.options import Job, ProgressFn, Size, Tiling
from ..kdsr.upscaling.upscaler import Upscaler
from . import runtime
from .images import Picture
from .previews import Preview
from .types import LoadedModel

if TYPE_CHECKING:
    from ..kdsr import KDSR


def call(model: LoadedModel, memory: int, progress: ProgressFn) -> tuple["KDSR", Job]:
    """A model on its device, and the job to call the library with.

    Args:
        model: Moved by ComfyUI.
        memory: Bytes that the call wants, weights apart.
        progress: A part of the node's bar.
    """
    return runtime.ready(model, memory), Job(progress, runtime.cancelled)


def estimating_cost(model: LoadedModel) -> float:
    """Multiplications for each LQ pixel, for the progress bar."""
    return _multiplications(model.kdsr.estimator)


def upscaling_cost(model: LoadedModel) -> float:
    """Likewise."""
    return _multiplications(model.kdsr.network)


def _multiplications(network: nn.Module) -> float:
    """All convolutions but the tail's, which is cheap once composed, run on LQ pixels."""
    convolutions = (m for m in network.modules() if isinstance(m, nn.Conv2d))
    return float(sum(m.weight.numel() for m in convolutions))


def estimate(
    model: LoadedModel,
    picture: Picture,
    progress: runtime.Progress,
    wrap: tuple[bool, bool] = (False, False),
    mask: Tensor | None = None,
) -> IDR:
    """An IDR for each image of a batch.

    Args:
        model: Made ready here.
        picture: The images.
        progress: Goes on by `estimating_cost`.
        wrap: Continue them circularly along (width, height).
        mask: MASK; only this region counts.
    """
    weights = picture.weights(mask)
    part = progress.part(estimating_cost(model))
    kdsr, job = call(model, runtime.estimating_memory(model), part)
    upscaler = Upscaler(kdsr, Tiling(wrap=wrap, dtype=model.precision))
    return upscaler.estimate(picture.lq, weights, job=job)


def estimate_cells(model: LoadedModel, lq: Tensor) -> LocalIDRs:
    """IDRs of one image, (1, 3, H, W), on a grid."""
    cost = estimating_cost(model)
    part = runtime.Progress(cost).part(cost)
    kdsr, job = call(model, runtime.estimating_memory(model), part)
    return estimate_local(kdsr, lq, tiling=Tiling(dtype=model.precision), job=job)


def estimate_map(
    model: LoadedModel, picture: Picture, cells: int, progress: runtime.Progress
) -> Regions:
    """IDRs that change smoothly over the image; `cells` along its longer side."""
    part = progress.part(estimating_cost(model))
    kdsr, job = call(model, runtime.estimating_memory(model), part)
    tiling = Tiling(dtype=model.precision)
    return idr_map(kdsr, picture.lq, cells=cells, tiling=tiling, job=job)


def upscale(
    model: LoadedModel,
    picture: Picture,
    out: Tensor,
    idr: IDR | Regions | None = None,
    *,
    strength: float = 1.0,
    tile: int = 0,
    wrap: tuple[bool, bool] = (False, False),
    overlap: int | str = "exact",
    batch: int | str = "auto",
    progress: runtime.Progress | None = None,
) -> Tensor:
    """The images, larger.

    Args:
        model: Made ready here.
        picture: The images.
        out: From `new_result`: written into, and as large as the result shall be.
        idr: One for all, one for each, or regions; estimated when left out.
        strength: 1 is as estimated; see `kdsr.meaning.strength`.
        tile: LQ pixels, or 0 for automatic.
        wrap: Continue the images circularly along (width, height).
        overlap: See `kdsr.options.Tiling`.
        batch: Tiles at a time.
        progress: A bar that is under way; this takes all that is left of it.

    Returns:
        IMAGE, (B, H, W, 3), with alpha (B, H, W, 4).
    """
    if progress is None:
        own = estimating_cost(model) if idr is None else 0
        progress = runtime.Progress(own + upscaling_cost(model))
    if idr is None:
        idr = estimate(model, picture, progress, wrap)
    idr = with_strength(model.kdsr, idr, strength)
    _, _, height, width = picture.lq.shape
    preview = Preview(picture, out)
    part = progress.part(preview=preview)
    kdsr, job = call(model, runtime.upscaling_memory(model, height, width, tile), part)
    result = out.movedim(-1, 1)
    upscaler = Upscaler(kdsr, Tiling(tile or "auto", overlap, wrap, model.precision, batch))
    upscaler.upscale(
        picture.lq,
        idr,
        Size.of(result),
        alpha=picture.alpha,
        out=result,
        growing=preview.watch,
        job=job,
    )
    return runtime.result(out)
