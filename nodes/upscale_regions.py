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
from . import inputs, runtime
from .images import Picture
from .models import Models
from .results import new_result
from .running import Step, cost, estimate, estimate_map, plan, story, upscale
from .types import IDRType, LoadedModel, schema

MASKS, MAP = "masks", "map"
FEATHER = 16
COVERED = "\nThe masks cover the whole image: the map or idr rest is not used."
_MAP_COST = 3
"""Passes over the image, for the progress bar: 1.5 to 4 were measured with the default cells."""
PLACES = (1, 2, 3)
"""Regions that can be painted; the rest is one more."""


def _region_inputs() -> list[Any]:
    """Inputs for masks and IDRs. ComfyUI's `Autogrow` would rename them: see `nodes/inputs.py`."""
    pairs = [
        (
            io.Mask.Input(
                f"mask_{place}",
                optional=True,
                tooltip=f"Region {place}. Resized to the image if need be.",
            ),
            IDRType.Input(
                f"idr_{place}",
                optional=True,
                tooltip=f"For region {place}. Not linked: estimated from the region.",
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
            display_name="KDSR Upscale Regions",
            description="Enlarges and cleans an image that mixes sources: each region gets an IDR "
            "of its own.",
            search_aliases=["regional", "masked upscale", "local degradation", "collage", "4x",
                            "denoise", "deblur", "jpeg artifacts", "restore"],
            inputs=[
                inputs.MODEL_INPUT,
                inputs.IMAGE_INPUT,
                *inputs.size_inputs(),
                io.Combo.Input(
                    "regions",
                    options=[MASKS, MAP],
                    default=MASKS,
                    optional=True,
                    tooltip="masks: up to three regions. map: an IDR for each place that no mask "
                    "covers.",
                ),
                io.Int.Input(
                    "feather",
                    default=FEATHER,
                    min=0,
                    max=512,
                    optional=True,
                    tooltip="Input pixels over which regions fade into each other.",
                ),
                io.Int.Input(
                    "cells",
                    default=MAP_CELLS,
                    min=1,
                    max=32,
                    optional=True,
                    tooltip="With map: places along the longer side. Fewer are more reliable, more "
                    "are finer.",
                ),
                *_region_inputs(),
                IDRType.Input(
                    "idr_rest",
                    optional=True,
                    tooltip="For what no mask covers. Not linked: estimated from it. Not with map.",
                ),
                inputs.STRENGTH_INPUT,
            ],
            outputs=[inputs.IMAGE_OUTPUT],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Models,
        image: Tensor,
        size_by: str,
        size: float,
        fit_height: int = inputs.FIT_HEIGHT,
        regions: str = MASKS,
        feather: int = FEATHER,
        cells: int = MAP_CELLS,
        idr_rest: IDR | None = None,
        strength: float = 1.0,
        **painted: Any,
    ) -> io.NodeOutput:
        picture, wish = Picture.of(image), inputs.output_size(size_by, size, fit_height)
        given = [*(painted.get(f"idr_{place}") for place in PLACES), idr_rest]
        steps = plan(model, picture, wish, next((idr for idr in given if idr is not None), None))
        out = new_result(cls, picture, steps, in_regions=True)
        parts = _Painted.of(picture, painted, idr_rest, cells if regions == MAP else None)
        progress = runtime.Progress(parts.cost(steps))
        found = parts.estimated(steps[0].model, picture, feather, progress)
        result = upscale(steps, picture, out, found, strength=strength, progress=progress)
        text = story(steps) + (COVERED if parts.left_out else "")
        return io.NodeOutput(result, ui=runtime.note(text))


@dataclass(frozen=True)
class _Painted:
    """Regions before their IDRs are estimated."""

    weights: Tensor | None
    """(N, 1, H, W), what no mask covers last; None without masks."""
    given: tuple[IDR | None, ...]
    """IDR of each region; None for an estimate."""
    cells: int | None
    """Number of map cells for the area without masks; None for one IDR."""
    left_out: bool = False
    """The masks cover everything, and what was meant for the rest is not used."""

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
            return cls(weights, tuple(given), None, left_out=rest is not None or cells is not None)
        return cls(weights, (*given, rest), cells)

    def cost(self, steps: list[Step]) -> float:
        """Cost of the estimates and of upscaling every region."""
        missing = sum(idr is None for idr in self.given) + (self.cells is not None)
        passes = len(self.given) + _MAP_COST * (self.cells is not None)
        return cost(steps, missing, passes)

    def estimated(
        self, model: LoadedModel, picture: Picture, feather: int, progress: runtime.Progress
    ) -> Regions:
        """Makes the regions, with estimates for missing IDRs, and soft edges."""
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
