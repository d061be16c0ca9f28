"""Upscale Regions: an IDR for each part of an image that mixes sources."""

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..kdsr.errors import ConfigError, IDRError, ImageError
from ..kdsr.estimation.regions import Regions, feathered, idr_map, with_rest
from ..kdsr.idr import IDR
from ..kdsr.options import MAP_CELLS
from . import runtime
from .estimate import estimate
from .images import Picture
from .types import ADVANCED, IDRType, LoadedModel, schema
from .upscale import IMAGE_OUTPUT, STRENGTH_INPUT, common_inputs, size_problem, upscale

MASKS, MAP = "masks", "map"
PLACES = (1, 2, 3)
"""Regions that can be painted; the rest is one more."""


def _region_inputs() -> list[Any]:
    pairs = [
        (
            io.Mask.Input(
                f"mask_{place}",
                optional=True,
                tooltip=f"Region {place}, of the image's size. What no mask covers is the rest.",
            ),
            IDRType.Input(
                f"idr_{place}",
                optional=True,
                tooltip=f"For region {place}; without it, the region's own is estimated.",
            ),
        )
        for place in PLACES
    ]
    return [input_ for pair in pairs for input_ in pair]


class UpscaleRegions(io.ComfyNode):
    """`model.upscale` with `Regions`."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_UpscaleRegions",
            display_name="Upscale Regions",
            description="Upscales an image that mixes sources: each masked region, or each place "
            "on a map, is restored with an IDR of its own, and they fade into each other.",
            search_aliases=["regional", "masked upscale", "local degradation", "collage", "kdsr"],
            inputs=[
                *common_inputs(),
                io.Combo.Input(
                    "regions",
                    options=[MASKS, MAP],
                    default=MASKS,
                    tooltip="masks: paint up to three regions. map: no masks; IDRs are estimated "
                    "on a grid and change smoothly over the image.",
                ),
                io.Int.Input(
                    "feather",
                    default=16,
                    min=0,
                    max=512,
                    tooltip="masks only: input pixels over which regions fade into each other.",
                ),
                io.Int.Input(
                    "cells",
                    default=MAP_CELLS,
                    min=1,
                    max=32,
                    tooltip="map only: places along the longer side. Few judge the degradation "
                    "better, many follow it closer.",
                    **ADVANCED,
                ),
                *_region_inputs(),
                IDRType.Input(
                    "idr_rest",
                    optional=True,
                    tooltip="For what no mask covers; without it, its own is estimated.",
                ),
                STRENGTH_INPUT,
            ],
            outputs=[IMAGE_OUTPUT],
        )

    @classmethod
    def validate_inputs(cls, size_by: str | None = None, size: float | None = None) -> bool | str:
        return size_problem(size_by, size) or True

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        size_by: str,
        size: float,
        regions: str,
        feather: int,
        cells: int,
        idr_rest: IDR | None = None,
        strength: float = 1.0,
        **painted: Any,
    ) -> io.NodeOutput:
        picture = Picture.of(image)
        if regions == MAP:
            found = _mapped(model, picture, cells)
        else:
            found = _painted(model, picture, painted, idr_rest, feather)
        return upscale(model, image, found, size_by, size, strength=strength)


def _mapped(model: LoadedModel, picture: Picture, cells: int) -> Regions:
    kdsr = runtime.ready(model, runtime.estimating_memory(model))
    return idr_map(
        kdsr,
        picture.lq,
        cells=cells,
        dtype=model.precision,
        progress=runtime.progress_bar(),
        cancelled=runtime.cancelled,
    )


def _painted(
    model: LoadedModel, picture: Picture, painted: dict[str, Any], rest: IDR | None, feather: int
) -> Regions:
    """Regions of the masks and of the rest, each with the IDR that was given or its own."""
    masks, given = [], []
    for place in PLACES:
        mask, idr = painted.get(f"mask_{place}"), painted.get(f"idr_{place}")
        if mask is None and idr is not None:
            raise IDRError(f"idr_{place} has no region: connect mask_{place} too")
        if mask is not None:
            masks.append(_plane(mask, place, picture))
            given.append(idr)
    if not masks:
        raise ConfigError("no regions: connect mask_1, or set regions to map")
    weights = with_rest(torch.cat(masks))
    given += [rest] * (len(weights) - len(masks))
    idrs = [
        estimate(model, picture, (False, False), mask) if idr is None else idr
        for mask, idr in zip(weights, given, strict=True)
    ]
    return Regions.of_weights(IDR.cat([idr.mean() for idr in idrs]), feathered(weights, feather))


def _plane(mask: Tensor, place: int, picture: Picture) -> Tensor:
    """A MASK as (1, 1, H, W)."""
    if mask.numel() != mask.shape[-2] * mask.shape[-1]:
        raise ImageError(
            f"mask_{place} is a batch of {len(mask)}; all images share their regions: give one mask"
        )
    picture.weights(mask)  # has its size and is not empty
    return mask.reshape(1, 1, *mask.shape[-2:]).float().cpu()
