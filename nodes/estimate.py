"""Estimate IDR: what the model believes about how the image was degraded."""

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.estimation.frames import CUT_ANGLE, smooth
from ..kdsr.options import WRAPS
from . import runtime
from .images import Picture
from .inputs import smoothing_inputs
from .running import estimate, estimating_cost
from .types import ADVANCED, IDRType, LoadedModel, ModelType, schema

PER_IMAGE, ONE, SMOOTHED = "per image", "one for the batch", "smoothed over frames"


class EstimateIDR(io.ComfyNode):
    """`model.estimate`, then one vector for the batch or smoothed over its frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_EstimateIDR",
            display_name="Estimate IDR",
            description="Estimates how the image was degraded (its IDR). Any image size; only the "
            "masked region counts if a mask is given.",
            search_aliases=["degradation", "blur estimate", "noise estimate", "kdsr"],
            inputs=[
                ModelType.Input("model", tooltip="From Load KDSR."),
                io.Image.Input("image", tooltip="The image or frames to analyse, any size."),
                io.Combo.Input(
                    "mode",
                    options=[PER_IMAGE, ONE, SMOOTHED],
                    default=PER_IMAGE,
                    tooltip="per image: every image its own. one for the batch: their average, "
                    "for one look over a film roll. smoothed over frames: for video, without "
                    "flicker; starts afresh at scene cuts.",
                ),
                *smoothing_inputs(SMOOTHED, 0.8, CUT_ANGLE),
                io.Combo.Input(
                    "wrap",
                    options=list(WRAPS),
                    default="none",
                    tooltip="For seamless textures: the image continues at its other edge along "
                    "x, y or both.",
                    **ADVANCED,
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Only this region counts. One mask for all images or one for each; of "
                    "another size than the image, it is resized.",
                ),
            ],
            outputs=[
                IDRType.Output(
                    display_name="idr", tooltip="One vector per image, or one for the batch."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        mode: str,
        smoothing: float,
        scene_cut: float,
        wrap: str,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        progress = runtime.Progress(estimating_cost(model))
        idr = estimate(model, Picture.of(image), progress, WRAPS[wrap], mask)
        if mode == ONE:
            idr = idr.mean()
        elif mode == SMOOTHED:
            idr = smooth(idr, smoothing, scene_cut)
        return io.NodeOutput(idr)
