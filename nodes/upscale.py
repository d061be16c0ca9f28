"""Upscale with IDR: the image, larger, with one IDR for all of its tiles."""

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.idr import IDR
from .images import Picture
from .inputs import IDR_INPUT, IMAGE_OUTPUT, STRENGTH_INPUT, common_inputs
from .running import upscale
from .sizes import output_size, size_problem
from .types import LoadedModel, schema


class Upscale(io.ComfyNode):
    """`model.upscale` with automatic tiles."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Upscale",
            display_name="Upscale with IDR",
            description="Upscales without seams; tiles and precision are chosen for you.",
            search_aliases=["super resolution", "upscale", "enlarge", "restore", "kdsr"],
            inputs=[*common_inputs(), IDR_INPUT, STRENGTH_INPUT],
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
        idr: IDR | None = None,
        strength: float = 1.0,
    ) -> io.NodeOutput:
        return io.NodeOutput(
            upscale(model, Picture.of(image), output_size(size_by, size), idr, strength=strength)
        )
