"""The inputs that several nodes share, and what the size inputs mean.

Not as ComfyUI's `DynamicCombo` and `Autogrow`, although only some inputs apply at a time: they
rename what they nest (`size_by.size`), so that saved prompts would lose their values, and versions
before 0.8 have none. The names stay, and `web/applies.js` shows what applies.
"""

from typing import Any

from comfy_api.latest import io

from ..kdsr.errors import ConfigError
from ..kdsr.options import OVERLAP_NAMES, PURPOSES, STRENGTHS, WRAPS
from ..kdsr.upscaling.sizes import LARGEST_SIDE, OutputSize
from .highlights import DISPLAY, LIGHTS
from .models import DEFAULT, purpose_problem
from .types import IDRType, ModelType, advanced

MODEL_FACTOR = "model factor"
SIZE_BY = (
    MODEL_FACTOR, "factor", "width", "height", "longest side", "fit into", "megapixels",
)  # fmt: skip
SMALLEST_SIDE = 16
"""Pixels that can be asked for: less is a factor in the wrong mode."""
FIT_HEIGHT = 1080
CUSTOM = "custom"
CUSTOM_OVERLAP = 64

IMAGE_INPUT = io.Image.Input(
    "image",
    tooltip="One image or a batch, any size. Alpha is kept: use Join Image with Alpha after "
    "Load Image.",
)
IMAGE_OUTPUT = io.Image.Output(display_name="image", tooltip="The larger image or batch.")
MODEL_INPUT = ModelType.Input("model", tooltip="From Load KDSR.")
OPTIONAL_MODEL_INPUT = ModelType.Input(
    "model", optional=True, tooltip="From Load KDSR. Not linked: the model chosen below."
)
IDR_INPUT = IDRType.Input(
    "idr",
    optional=True,
    tooltip="From Estimate, Load or Blend IDR: one for all images or one each. Not linked: "
    "estimated from each image.",
)
STRENGTH_INPUT = io.Float.Input(
    "strength",
    default=1.0,
    min=STRENGTHS[0],
    max=STRENGTHS[1],
    step=0.05,
    optional=True,
    display_mode=io.NumberDisplay.slider,
    tooltip="How much blur, noise and JPEG to remove. 1: as estimated. 0: only enlarge. "
    "Above 1: more.",
)
PURPOSE_INPUT = io.Combo.Input(
    "purpose",
    options=list(PURPOSES),
    default=DEFAULT,
    optional=True,
    tooltip="photo: crisp, for photographs, damaged ones too. faithful: invents nothing; for "
    "generated images, drawings, text.",
)


def valid_purpose(purpose: str | None) -> bool | str:
    """Checks a purpose for `validate_inputs`, in place of ComfyUI, which refuses retired ones.

    Args:
        purpose: The choice; None if it is linked.

    Returns:
        True, or a description of the problem.
    """
    return (purpose is not None and purpose_problem(purpose)) or True


def size_inputs() -> list[Any]:
    """The inputs of every upscaling node that say how large; the last is optional.

    What follows it in a node must be optional too, or ComfyUI moves it up.
    """
    return [
        io.Combo.Input(
            "size_by",
            options=list(SIZE_BY),
            default=MODEL_FACTOR,
            tooltip="How the output size is given. model factor: x4, or that of the linked model. "
            "fit into: inside a box. Proportions are kept.",
        ),
        # A Float alone would refuse links from Int nodes, such as Get Image Size.
        io.MultiType.Input(
            io.Float.Input(
                "size",
                default=2.0,
                min=0.01,
                max=LARGEST_SIDE,
                step=0.01,
                tooltip="The factor, a side in pixels, or megapixels: whatever size by says.",
            ),
            types=[io.Int],
        ),
        io.Int.Input(
            "fit_height",
            default=FIT_HEIGHT,
            min=SMALLEST_SIDE,
            max=LARGEST_SIDE,
            optional=True,
            tooltip="Height of the box in pixels, with fit into.",
        ),
    ]


def wrap_input() -> Any:
    """An optional choice of the axes that are continued circularly; see `WRAPS`."""
    return io.Combo.Input(
        "wrap",
        options=list(WRAPS),
        default="none",
        optional=True,
        tooltip="For seamless textures and panoramas: the image continues at its other edge "
        "along x, y or both.",
    )


def light_input() -> Any:
    """An optional choice of what an image's numbers are; see `nodes.highlights`."""
    return io.Combo.Input(
        "light",
        options=list(LIGHTS),
        default=DISPLAY,
        optional=True,
        tooltip="display: for ordinary images. linear light: for HDR and EXR; what is brighter "
        "than white is kept.",
    )


def tile_inputs() -> dict[str, Any]:
    """Tile inputs by name; `tile_options` converts their values."""
    inputs = [
        io.Int.Input(
            "tile",
            default=0,
            min=0,
            max=8192,
            step=16,
            optional=True,
            tooltip="Side of a tile in input pixels. 0: chosen by free memory. The result stays "
            "the same with exact overlap.",
        ),
        io.Combo.Input(
            "overlap",
            options=[*OVERLAP_NAMES, CUSTOM],
            default="exact",
            optional=True,
            tooltip="exact: no seams, equal to the whole image at once. fast: 32 px, differs by "
            "about 0.001. custom: your own number.",
        ),
        io.Int.Input(
            "custom_overlap",
            default=CUSTOM_OVERLAP,
            min=0,
            max=512,
            optional=True,
            tooltip="Overlap on each side in input pixels, with overlap custom.",
        ),
        advanced(
            io.Int.Input(
                "tiles_per_batch",
                default=0,
                min=0,
                max=256,
                optional=True,
                tooltip="Tiles that run together. 0: automatic.",
            )
        ),
    ]
    return {one.id: one for one in inputs}


def smoothing_inputs(
    applies: str, smoothing: float, scene_cut: float, *, optional: bool = False
) -> list[Any]:
    """Inputs for smoothing IDRs over frames; see `kdsr.estimation.maps.smooth`.

    Args:
        applies: The mode that needs them.
        smoothing: Default.
        scene_cut: Default, degrees.
        optional: Whether the inputs are optional, as all after an optional one must be.
    """
    return [
        io.Float.Input(
            "smoothing",
            default=smoothing,
            min=0.0,
            max=0.99,
            step=0.01,
            optional=optional,
            tooltip=f"With {applies}: how much neighbouring frames count. 0: not at all. 0.9: "
            "about 20 frames.",
        ),
        advanced(
            io.Float.Input(
                "scene_cut",
                default=scene_cut,
                min=0.0,
                max=180.0,
                step=0.5,
                optional=optional,
                tooltip=f"With {applies}: an IDR that turns by more degrees starts a new scene. "
                "180: all is one scene.",
            )
        ),
    ]


def tile_options(
    tile: int, overlap: str, custom_overlap: int, tiles_per_batch: int
) -> dict[str, Any]:
    """Converts the tile inputs for `running.upscale`."""
    return {
        "tile": tile or "auto",
        "overlap": custom_overlap if overlap == CUSTOM else overlap,
        "batch": tiles_per_batch or "auto",
    }


def output_size(size_by: str, size: float, fit_height: int = FIT_HEIGHT) -> OutputSize | None:
    """Converts the size inputs; None stands for the model's factor.

    No check runs before the node: ComfyUI would blame every input that such a check reads.
    ComfyUI itself checks the range of each input.

    Raises:
        ConfigError: If the inputs give no size.
    """
    match size_by:
        case "model factor":
            return None
        case "factor":
            return OutputSize(factor=size)
        case "megapixels":
            return OutputSize(megapixels=size)
        case "width":
            return OutputSize(width=_pixels(size, size_by))
        case "height":
            return OutputSize(height=_pixels(size, size_by))
        case "longest side":
            side = _pixels(size, size_by)
            return OutputSize(width=side, height=side)
        case "fit into":
            return OutputSize(width=_pixels(size, size_by), height=fit_height)
    raise ConfigError(f"unknown size_by {size_by!r}; choose one of {', '.join(SIZE_BY)}")


def _pixels(size: float, size_by: str) -> int:
    if size < SMALLEST_SIDE:
        raise ConfigError(
            f"size is in pixels with size_by {size_by}: expected {SMALLEST_SIDE} or more, got "
            f"{size:g}. For {size:g} times the input, set size_by to factor"
        )
    return round(size)
