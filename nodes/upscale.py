"""KDSR Upscale: the image, larger and cleaner, with one IDR for all of its tiles."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.idr import IDR
from ..kdsr.options import WRAPS
from . import inputs, models, runtime
from .highlights import DISPLAY, LINEAR, to_display, to_light
from .images import Picture
from .models import Models
from .results import new_result
from .running import plan, story, upscale
from .types import FIRST, advanced, schema


class Upscale(io.ComfyNode):
    """`kdsr upscale`."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Upscale",
            FIRST,
            display_name="KDSR Upscale",
            description="Enlarges an image and removes blur, noise and JPEG artifacts. Any size, "
            "no seams, the same result every time.",
            search_aliases=["super resolution", "upscale", "4x", "enlarge", "restore", "enhance",
                            "sharpen", "denoise", "deblur", "jpeg artifacts", "upscale with idr"],
            inputs=[
                inputs.IMAGE_INPUT,
                *inputs.size_inputs()[:-1],
                inputs.OPTIONAL_MODEL_INPUT,
                inputs.size_inputs()[-1],
                inputs.IDR_INPUT,
                inputs.STRENGTH_INPUT,
                advanced(inputs.wrap_input()),
                inputs.PURPOSE_INPUT,
                *map(advanced, inputs.tile_inputs().values()),
                advanced(inputs.light_input()),
            ],
            outputs=[inputs.IMAGE_OUTPUT],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, purpose: str | None = models.DEFAULT) -> bool | str:
        return inputs.valid_purpose(purpose)

    @classmethod
    def execute(
        cls,
        image: Tensor,
        size_by: str,
        size: float,
        model: Models | None = None,
        fit_height: int = inputs.FIT_HEIGHT,
        idr: IDR | None = None,
        strength: float = 1.0,
        wrap: str = "none",
        purpose: str = models.DEFAULT,
        tile: int = 0,
        overlap: str = "exact",
        custom_overlap: int = inputs.CUSTOM_OVERLAP,
        tiles_per_batch: int = 0,
        light: str = DISPLAY,
    ) -> io.NodeOutput:
        image, span = to_display(image) if light == LINEAR else (image, 1.0)
        picture, wish = Picture.of(image), inputs.output_size(size_by, size, fit_height)
        steps = plan(model or models.own(purpose), picture, wish, idr)
        out = new_result(cls, picture, steps)
        cut: dict[str, Any] = inputs.tile_options(tile, overlap, custom_overlap, tiles_per_batch)
        result = upscale(steps, picture, out, idr, strength=strength, wrap=WRAPS[wrap], **cut)
        result = to_light(result, span) if light == LINEAR else result
        said = [story(steps)] if model else [story(steps), *models.remarks(purpose)]
        return io.NodeOutput(result, ui=runtime.note("; ".join(said)))
