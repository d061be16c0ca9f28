"""How every node calls the library: the model made ready, one progress bar, interruptible."""

from typing import TYPE_CHECKING, TypedDict

from torch import Tensor, nn

from ..kdsr.estimation.grid import LocalIDRs, estimate_local
from ..kdsr.estimation.maps import idr_map
from ..kdsr.estimation.regions import Regions
from ..kdsr.idr import IDR
from ..kdsr.meaning.strength import with_strength
from ..kdsr.tiles.windows import CancelledFn, ProgressFn
from ..kdsr.upscaling.resized import upscale_to
from . import runtime
from .images import Picture
from .previews import Preview
from .types import LoadedModel

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..kdsr import KDSR


class CallKeywords(TypedDict):
    """What a node tells every function of the library that runs a network."""

    dtype: str
    progress: ProgressFn
    cancelled: CancelledFn


class TileOptions(TypedDict, total=False):
    """The options of `kdsr.upscale` that only some nodes have."""

    overlap: int | str
    batch: int | str


def call(model: LoadedModel, memory: int, progress: ProgressFn) -> tuple["KDSR", CallKeywords]:
    """A model on its device, and the keywords to call the library with.

    Args:
        model: Moved by ComfyUI.
        memory: Bytes that the call wants, weights apart.
        progress: A part of the node's bar.
    """
    kdsr = runtime.ready(model, memory)
    return kdsr, CallKeywords(dtype=model.precision, progress=progress, cancelled=runtime.cancelled)


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
    kdsr, keywords = call(model, runtime.estimating_memory(model), part)
    return kdsr.estimate(picture.lq, mask=weights, wrap=wrap, **keywords)


def estimate_cells(model: LoadedModel, lq: Tensor) -> LocalIDRs:
    """IDRs of one image, (1, 3, H, W), on a grid."""
    cost = estimating_cost(model)
    part = runtime.Progress(cost).part(cost)
    kdsr, keywords = call(model, runtime.estimating_memory(model), part)
    return estimate_local(kdsr, lq, **keywords)


def estimate_map(
    model: LoadedModel, picture: Picture, cells: int, progress: runtime.Progress
) -> Regions:
    """IDRs that change smoothly over the image; `cells` along its longer side."""
    part = progress.part(estimating_cost(model))
    kdsr, keywords = call(model, runtime.estimating_memory(model), part)
    return idr_map(kdsr, picture.lq, cells=cells, **keywords)


def upscale(
    model: LoadedModel,
    picture: Picture,
    out: Tensor,
    idr: IDR | Regions | None = None,
    *,
    strength: float = 1.0,
    tile: int = 0,
    wrap: tuple[bool, bool] = (False, False),
    progress: runtime.Progress | None = None,
    **options: "Unpack[TileOptions]",
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
        progress: A bar that is under way; this takes all that is left of it.
        **options: As in `kdsr.upscale`.

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
    kdsr, keywords = call(model, runtime.upscaling_memory(model, height, width, tile), part)
    upscale_to(
        kdsr,
        picture.lq,
        idr,
        (out.shape[1], out.shape[2]),
        alpha=picture.alpha,
        out=out.movedim(-1, 1),
        tile=tile or "auto",
        wrap=wrap,
        growing=preview.watch,
        **keywords,
        **options,
    )
    return runtime.result(out)
