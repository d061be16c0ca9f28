"""Calls of the library by all nodes: prepares the model, shows one progress bar, can be stopped."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..kdsr.estimation.maps import LocalIDRs, estimate_local, idr_map
from ..kdsr.estimation.regions import Regions
from ..kdsr.idr import IDR
from ..kdsr.meaning.references import with_strength
from ..kdsr.options import SAMPLED, Job, ProgressFn, Size, Tiling
from ..kdsr.upscaling.sizes import OutputSize, plan_passes
from ..kdsr.upscaling.upscaler import Upscaler
from . import runtime
from .images import Picture
from .models import Models
from .previews import Preview
from .types import LoadedModel

if TYPE_CHECKING:
    from ..kdsr import KDSR


@dataclass(frozen=True)
class Step:
    """One pass of a network over a batch of images."""

    model: LoadedModel
    source: Size
    """Size of the input."""
    size: Size
    """Size of the result."""

    @property
    def full(self) -> Size:
        """Size of the network's output, before resizing to `size`."""
        return self.source.scaled(self.model.kdsr.config.scale)


def plan(
    models: Models, picture: Picture, wish: OutputSize | None, idr: IDR | None = None
) -> list[Step]:
    """The passes that make images as large as is wished, as the command `kdsr upscale` makes them.

    Args:
        models: The smallest factors that suffice are taken.
        picture: The images.
        wish: The largest factor if None.
        idr: The model that made it is the only one that can take it.

    Raises:
        ConfigError: If the size is out of range, or no two passes lead to it.
        IDRError: If `idr` is another model's.
    """
    return _plan(models, Size.of(picture.lq), wish, idr)


def plan_factor(
    models: Models, source: Size, wish: OutputSize | None, idr: IDR | None
) -> LoadedModel:
    """The one model for a video: the first of `plan`; what is left is resized.

    Args:
        models: Models, as in `plan`.
        source: Size of a frame.
        wish: Wanted size, as in `plan`.
        idr: IDR, as in `plan`.
    """
    return _plan(models, source, wish, idr)[0].model


def _plan(models: Models, source: Size, wish: OutputSize | None, idr: IDR | None) -> list[Step]:
    only = None if idr is None else models.of_idr(idr)
    factors = models.factors if only is None else (only.kdsr.config.scale,)
    size = (wish or OutputSize(factor=factors[-1])).resolve(source)
    steps = []
    for one in plan_passes(source, size, factors):
        steps.append(Step(only or models.of(one.factor), source, one.size))
        source = one.size
    return steps


def story(steps: list[Step]) -> str:
    """Text about the passes, for the node's note."""
    return f"{steps[-1].size} by {', then '.join(step.model.name for step in steps)}"


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
    """Multiplications for each LQ pixel, for the progress bar."""
    return _multiplications(model.kdsr.network)


def _multiplications(network: nn.Module) -> float:
    """All convolutions but the tail's, which is cheap once composed, run on LQ pixels."""
    convolutions = (m for m in network.modules() if isinstance(m, nn.Conv2d))
    return float(sum(m.weight.numel() for m in convolutions))


def cost(steps: list[Step], estimates: float, passes: float = 1) -> float:
    """Cost of all steps, in the unit of `estimating_cost` per pixel of the first.

    Args:
        steps: Steps from `plan`.
        estimates: Number of times the first step estimates its images.
        passes: Number of times the first step upscales them.
    """
    first, *later = steps
    done = estimates * estimating_cost(first.model) + passes * upscaling_cost(first.model)
    for step in later:
        each = estimating_cost(step.model) + upscaling_cost(step.model)
        done += each * step.source.pixels / first.source.pixels
    return done


def estimate(
    model: LoadedModel,
    picture: Picture,
    progress: runtime.Progress,
    wrap: tuple[bool, bool] = (False, False),
    mask: Tensor | None = None,
    share: float = 1,
    estimated: str = SAMPLED,
) -> IDR:
    """An IDR for each image of a batch.

    Args:
        model: Model, which is prepared here.
        picture: The images.
        progress: Goes on by `estimating_cost` times `share`.
        wrap: Continue them circularly along (width, height).
        mask: MASK; only this region counts.
        share: Share of the progress bar; see `progress`.
        estimated: Way of estimating, one of `kdsr.options.ESTIMATES`.
    """
    weights = picture.weights(mask)
    part = progress.part(share * estimating_cost(model))
    kdsr, job = call(model, runtime.estimating_memory(model), part)
    upscaler = Upscaler(kdsr, Tiling(wrap=wrap, dtype=model.precision, estimate=estimated))
    return upscaler.estimate(picture.lq, weights, job=job, provenance={"model": model.name})


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
    steps: list[Step],
    picture: Picture,
    out: Tensor,
    idr: IDR | Regions | None = None,
    *,
    strength: float = 1.0,
    wrap: tuple[bool, bool] = (False, False),
    progress: runtime.Progress | None = None,
    **cut: Any,
) -> Tensor:
    """The images, larger.

    Args:
        steps: Steps from `plan`; their models are prepared here.
        picture: The images.
        out: Buffer for the result, from `new_result`.
        idr: IDRs of the first step: one for all, one for each, or regions; by default estimated.
            A second step estimates anew, from the first step's result.
        strength: 1 is as estimated; see `kdsr.meaning.references`.
        wrap: Continue the images circularly along (width, height).
        progress: A progress bar; this step takes all that remains of it.
        **cut: From `inputs.tile_options`.

    Returns:
        IMAGE, (B, H, W, 3), with alpha (B, H, W, 4).
    """
    if progress is None:
        progress = runtime.Progress(cost(steps, estimates=idr is None))
    for number, step in enumerate(steps, 1):
        share = step.source.pixels / steps[0].source.pixels
        if idr is None:
            idr = estimate(step.model, picture, progress, wrap, share=share)
        last = number == len(steps)
        target = out if last else torch.zeros(len(out), *step.size.shape, out.shape[-1])
        part = None if last else share * upscaling_cost(step.model)
        idr = with_strength(step.model.kdsr, idr, strength)
        tiling = Tiling(wrap=wrap, dtype=step.model.precision, **cut)
        _pass(step, picture, target, idr, tiling, progress, part)
        picture, idr = Picture.of(target), None
    return runtime.result(out)


def _pass(
    step: Step,
    picture: Picture,
    out: Tensor,
    idr: IDR | Regions,
    tiling: Tiling,
    progress: runtime.Progress,
    cost: float | None,
) -> None:
    preview = Preview(picture, out)
    part = progress.part(cost, preview=preview)
    tile = tiling.tile if isinstance(tiling.tile, int) else 0
    kdsr, job = call(
        step.model, runtime.upscaling_memory(step.model, *step.source.shape, tile), part
    )
    Upscaler(kdsr, tiling).upscale(
        picture.lq,
        idr,
        step.size,
        alpha=picture.alpha,
        out=out.movedim(-1, 1),
        growing=preview.watch,
        job=job,
    )
