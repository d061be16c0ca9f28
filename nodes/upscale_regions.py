"""Upscale Regions: an IDR for each part of an image that mixes sources."""

from dataclasses import dataclass
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..kdsr.errors import ConfigError, IDRError, ImageError
from ..kdsr.estimation.regions import Regions, feathered, with_rest
from ..kdsr.idr import IDR
from ..kdsr.options import MAP_CELLS
from . import runtime
from .images import Picture
from .inputs import IMAGE_OUTPUT, STRENGTH_INPUT, common_inputs
from .results import new_result
from .running import estimate, estimate_map, estimating_cost, upscale, upscaling_cost
from .sizes import FIT_HEIGHT, output_size
from .types import IDRType, LoadedModel, schema

MASKS, MAP = "masks", "map"
FEATHER = 16
_MAP_COST = 3
"""Passes over the image, for the progress bar: 1.5 to 4 were measured with the default cells."""
PLACES = (1, 2, 3)
"""Regions that can be painted; the rest is one more."""


def _region_inputs() -> list[Any]:
    """Not as ComfyUI's `Autogrow`, which renames what it grows: see `nodes/sizes.py`."""
    pairs = [
        (
            io.Mask.Input(
                f"mask_{place}",
                optional=True,
                tooltip=f"Region {place}. Of another size than the image, it is resized. What no "
                "mask covers is the rest.",
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
                    optional=True,
                    tooltip="masks: paint up to three regions. map: what no mask covers gets IDRs "
                    "that are estimated on a grid and change smoothly; without masks, all of it.",
                ),
                io.Int.Input(
                    "feather",
                    default=FEATHER,
                    min=0,
                    max=512,
                    optional=True,
                    tooltip="Input pixels over which masked regions fade into what is around them.",
                ),
                io.Int.Input(
                    "cells",
                    default=MAP_CELLS,
                    min=1,
                    max=32,
                    optional=True,
                    tooltip="map only: places along the longer side. Few judge the degradation "
                    "better, many follow it closer.",
                ),
                *_region_inputs(),
                IDRType.Input(
                    "idr_rest",
                    optional=True,
                    tooltip="For what no mask covers; without it, its own is estimated. Not with "
                    "map.",
                ),
                STRENGTH_INPUT,
            ],
            outputs=[IMAGE_OUTPUT],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        size_by: str,
        size: float,
        fit_height: int = FIT_HEIGHT,
        regions: str = MASKS,
        feather: int = FEATHER,
        cells: int = MAP_CELLS,
        idr_rest: IDR | None = None,
        strength: float = 1.0,
        **painted: Any,
    ) -> io.NodeOutput:
        picture, wanted = Picture.of(image), output_size(size_by, size, fit_height)
        out = new_result(cls, model, picture, wanted, in_regions=True)
        painted_regions = _Painted.of(picture, painted, idr_rest, cells if regions == MAP else None)
        progress = runtime.Progress(painted_regions.cost(model))
        found = painted_regions.estimated(model, picture, feather, progress)
        result = upscale(model, picture, out, found, strength=strength, progress=progress)
        return io.NodeOutput(result)


@dataclass(frozen=True)
class _Painted:
    """Regions before their IDRs are estimated."""

    weights: Tensor | None
    """(N, 1, H, W), what no mask covers last; None without masks."""
    given: tuple[IDR | None, ...]
    """For each region; None is to be estimated."""
    cells: int | None
    """Of the map that what no mask covers gets; None for one IDR."""

    @classmethod
    def of(
        cls, picture: Picture, inputs: dict[str, Any], rest: IDR | None, cells: int | None
    ) -> "_Painted":
        """Reads the inputs `mask_1`, `idr_1` and so on."""
        masks, given = [], []
        for place in PLACES:
            mask, idr = inputs.get(f"mask_{place}"), inputs.get(f"idr_{place}")
            if mask is None and idr is not None:
                raise IDRError(f"idr_{place} has no region: connect mask_{place} too")
            if mask is not None:
                masks.append(_plane(mask, place, picture))
                given.append(idr)
        if cells is not None and rest is not None:
            raise ConfigError(
                "regions is map, which estimates an IDR for every place that no mask covers: "
                "disconnect idr_rest, or set regions to masks"
            )
        if not masks:
            if cells is None:
                raise ConfigError("no regions: connect mask_1, or set regions to map")
            return cls(None, (), cells)
        weights = with_rest(torch.cat(masks))
        if len(weights) == len(masks):
            return cls(weights, tuple(given), None)
        return cls(weights, (*given, rest), cells)

    def cost(self, model: LoadedModel) -> float:
        """Of the estimates and of upscaling every region."""
        missing = sum(idr is None for idr in self.given) + (self.cells is not None)
        passes = len(self.given) + _MAP_COST * (self.cells is not None)
        return missing * estimating_cost(model) + passes * upscaling_cost(model)

    def estimated(
        self, model: LoadedModel, picture: Picture, feather: int, progress: runtime.Progress
    ) -> Regions:
        """With the IDRs that were not given, and soft edges."""
        mapped = None
        if self.cells is not None:
            mapped = estimate_map(model, picture, self.cells, progress)
        if self.weights is None:
            assert mapped is not None  # `of` takes no masks for a map only
            return mapped
        given = (*self.given[:-1], mapped.idr.mean()) if mapped else self.given
        idrs = [
            estimate(model, picture, progress, mask=mask) if idr is None else idr
            for mask, idr in zip(self.weights, given, strict=True)
        ]
        soft = feathered(self.weights, feather)
        found = Regions.of_weights(IDR.cat([idr.mean() for idr in idrs]), soft)
        return found.divided(len(found.parts) - 1, mapped) if mapped else found


def _plane(mask: Tensor, place: int, picture: Picture) -> Tensor:
    """A MASK as (1, 1, H, W)."""
    if mask.numel() != mask.shape[-2] * mask.shape[-1]:
        raise ImageError(
            f"mask_{place} is a batch of {len(mask)}; all images share their regions: give one mask"
        )
    picture.weights(mask)  # is not empty
    return picture.fitted(mask).float().cpu()
