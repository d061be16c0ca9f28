"""Estimate IDR: what the model believes about how the image was degraded."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.estimation import explained
from ..kdsr.estimation.maps import CUT_ANGLE, smooth
from ..kdsr.idr import IDR
from ..kdsr.options import ESTIMATES, SAMPLED, WRAPS
from . import inputs, running, runtime
from .images import Picture
from .models import Models
from .types import IDRS, IDRType, advanced, schema

PER_IMAGE, ONE, SMOOTHED = "per image", "one for the batch", "smoothed over frames"
ONE_FOR_ALL = "one for the list"


class EstimateIDR(io.ComfyNode):
    """`model.estimate`, then one vector for a batch or a list, or smoothed over frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_EstimateIDR",
            IDRS,
            display_name="Estimate IDR",
            description="Estimates how an image was degraded: its IDR. The upscaling nodes "
            "restore with it.",
            search_aliases=["degradation", "blur estimate", "noise estimate", "kdsr"],
            inputs=[
                inputs.MODEL_INPUT,
                io.Image.Input("image", tooltip="One image, a batch or a list, any size."),
                io.Combo.Input(
                    "mode",
                    options=[PER_IMAGE, ONE, SMOOTHED, ONE_FOR_ALL],
                    default=PER_IMAGE,
                    tooltip="per image: each its own. one for the batch or list: their average. "
                    "smoothed over frames: for video.",
                ),
                *inputs.smoothing_inputs(SMOOTHED, 0.8, CUT_ANGLE),
                advanced(
                    io.Combo.Input(
                        "wrap",
                        options=list(WRAPS),
                        default="none",
                        tooltip="For seamless textures: the image continues at its other edge.",
                    )
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Only this region counts. One mask for all images or one each.",
                ),
                advanced(
                    io.Combo.Input(
                        "estimate",
                        options=list(ESTIMATES),
                        default=SAMPLED,
                        optional=True,
                        tooltip="sampled: parts of a large image, without dither and hatching. "
                        "whole: every pixel counts; slower on large images.",
                    )
                ),
            ],
            outputs=[
                IDRType.Output(
                    display_name="idr",
                    tooltip="One vector per image, or one for all.",
                    is_output_list=True,
                )
            ],
            # A list can hold images of different sizes: only one run for all of them can average.
            is_input_list=True,
        )

    @classmethod
    def execute(cls, **lists: Any) -> io.NodeOutput:
        items = _items(lists)
        model: Models = items[0]["model"]
        progress = runtime.Progress(running.estimating_cost(model.main) * len(items))
        idrs = [_estimated(progress, **item) for item in items]
        if items[0]["mode"] == ONE_FOR_ALL:
            idrs = [IDR.cat(idrs).mean()]
        line = explained(model.main.kdsr, IDR.cat(idrs))
        return io.NodeOutput(idrs, ui=runtime.note(line) if line else None)


def _items(lists: dict[str, Any]) -> list[dict[str, Any]]:
    """The inputs of each run, as ComfyUI pairs lists: a shorter one goes on with its last."""
    each = {name: value if isinstance(value, list) else [value] for name, value in lists.items()}
    count = max(len(values) for values in each.values())
    return [{n: v[min(index, len(v) - 1)] for n, v in each.items()} for index in range(count)]


def _estimated(
    progress: runtime.Progress,
    model: Models,
    image: Tensor,
    mode: str,
    smoothing: float,
    scene_cut: float,
    wrap: str,
    mask: Tensor | None = None,
    estimate: str = SAMPLED,
) -> IDR:
    """The IDRs of one image or batch."""
    picture = Picture.of(image)
    idr = running.estimate(model.main, picture, progress, WRAPS[wrap], mask, estimated=estimate)
    if mode == ONE:
        return idr.mean()
    return smooth(idr, smoothing, scene_cut) if mode == SMOOTHED else idr
