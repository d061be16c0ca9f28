"""Blend IDR: between two degradations, and a little beyond."""

from comfy_api.latest import io

from ..kdsr.idr import BLEND_RANGE, IDR
from .types import IDRType, schema


class BlendIDR(io.ComfyNode):
    """`IDR.blend`."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_BlendIDR",
            display_name="Blend IDR",
            description="Mixes two IDRs of one model, to restore less or more.",
            search_aliases=["strength", "mix", "interpolate", "restoration strength", "kdsr"],
            inputs=[
                IDRType.Input("idr_a", tooltip="The result at weight 0."),
                IDRType.Input("idr_b", tooltip="The result at weight 1."),
                io.Float.Input(
                    "weight",
                    default=0.5,
                    min=BLEND_RANGE[0],
                    max=BLEND_RANGE[1],
                    step=0.01,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="0 is a, 1 is b. Below 0 and above 1 the difference is exaggerated; "
                    "far out, artefacts appear.",
                ),
            ],
            outputs=[IDRType.Output(display_name="idr", tooltip="As many as the larger batch.")],
        )

    @classmethod
    def execute(cls, idr_a: IDR, idr_b: IDR, weight: float) -> io.NodeOutput:
        return io.NodeOutput(idr_a.blend(idr_b, weight))
