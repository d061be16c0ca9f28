"""Upscale with IDR: the image, larger, with one IDR for all of its tiles."""

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.idr import IDR
from ..kdsr.options import WRAPS
from .images import Picture
from .inputs import IDR_INPUT, IMAGE_OUTPUT, STRENGTH_INPUT, common_inputs, wrap_input
from .results import new_result
from .running import upscale
from .sizes import FIT_HEIGHT, output_size
from .types import ADVANCED, LoadedModel, schema


class Upscale(io.ComfyNode):
    """`model.upscale` with automatic tiles."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Upscale",
            display_name="Upscale with IDR",
            description="Upscales without seams; tiles and precision are chosen for you.",
            search_aliases=["super resolution", "upscale", "enlarge", "restore", "kdsr"],
            inputs=[*common_inputs(), IDR_INPUT, STRENGTH_INPUT, wrap_input(**ADVANCED)],
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
        idr: IDR | None = None,
        strength: float = 1.0,
        wrap: str = "none",
    ) -> io.NodeOutput:
        picture = Picture.of(image)
        out = new_result(cls, model, picture, output_size(size_by, size, fit_height))
        return io.NodeOutput(upscale(model, picture, out, idr, strength=strength, wrap=WRAPS[wrap]))
