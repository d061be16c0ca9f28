"""Inputs and outputs that several upscaling nodes have."""

from typing import Any

from comfy_api.latest import io

from ..kdsr.options import STRENGTHS, WRAPS
from .sizes import size_inputs
from .types import ADVANCED, IDRType, ModelType


def common_inputs() -> list[Any]:
    """The first inputs of every upscaling node: model, image and output size (see there)."""
    return [
        ModelType.Input("model", tooltip="From Load KDSR."),
        io.Image.Input(
            "image",
            tooltip="RGB or RGBA, any size, one or a batch. Alpha is upscaled apart; Load Image "
            "gives it as a mask, Join Image with Alpha puts it back.",
        ),
        *size_inputs(),
    ]


def wrap_input(**options: Any) -> Any:
    """An optional choice of the axes that are continued circularly; see `WRAPS`."""
    return io.Combo.Input(
        "wrap",
        options=list(WRAPS),
        default="none",
        optional=True,
        tooltip="For seamless textures and panoramas: the image continues at its other edge along "
        "x, y or both.",
        **options,
    )


def smoothing_inputs(
    applies: str, smoothing: float, scene_cut: float, *, optional: bool = False
) -> list[Any]:
    """How IDRs are smoothed over frames; see `kdsr.estimation.frames.smooth`.

    Args:
        applies: The mode that needs them.
        smoothing: Default.
        scene_cut: Default, degrees.
        optional: As all that follows an optional input.
    """
    return [
        io.Float.Input(
            "smoothing",
            default=smoothing,
            min=0.0,
            max=0.99,
            step=0.01,
            optional=optional,
            tooltip=f"{applies} only: how much the neighbouring frames count. 0 is no smoothing, "
            "0.9 averages over about 20 frames.",
        ),
        io.Float.Input(
            "scene_cut",
            default=scene_cut,
            min=0.0,
            max=180.0,
            step=0.5,
            optional=optional,
            tooltip=f"{applies} only: a frame whose IDR turns by more than this many degrees "
            "against its scene starts a new scene. 180 is never.",
            **ADVANCED,
        ),
    ]


IDR_INPUT = IDRType.Input(
    "idr",
    optional=True,
    tooltip="From Estimate IDR, Load IDR or Blend IDR: one for all images or one for each. "
    "Without it, each image's own is estimated.",
)
STRENGTH_INPUT = io.Float.Input(
    "strength",
    default=1.0,
    min=STRENGTHS[0],
    max=STRENGTHS[1],
    step=0.05,
    optional=True,
    display_mode=io.NumberDisplay.slider,
    tooltip="How much to restore: 0 takes the image for clean, 1 is as estimated, above 1 restores "
    "more than was estimated.",
)
IMAGE_OUTPUT = io.Image.Output(display_name="image", tooltip="The upscaled image or batch.")
