"""How large the result shall be: the inputs that say so, and what they mean.

Not as ComfyUI's `DynamicCombo`, although only some of them apply at a time: it renames what it
nests (`size_by.size`), so that saved prompts would lose their sizes, and versions before 0.8 have
none. The names stay, and `web/applies.js` shows what applies.
"""

from typing import Any

from comfy_api.latest import io

from ..kdsr.errors import ConfigError
from ..kdsr.upscaling.sizes import LARGEST_SIDE, OutputSize

MODEL_FACTOR = "model factor"
SIZE_BY = (
    MODEL_FACTOR, "factor", "width", "height", "longest side", "fit into", "megapixels",
)  # fmt: skip
SMALLEST_SIDE = 16
"""Pixels that can be asked for: less is a factor in the wrong mode."""
FIT_HEIGHT = 1080


def size_inputs() -> list[Any]:
    """The inputs of every upscaling node that say how large; the last is optional.

    What follows it in a node must be optional too, or ComfyUI moves it up.
    """
    return [
        io.Combo.Input(
            "size_by",
            options=list(SIZE_BY),
            default=MODEL_FACTOR,
            tooltip="What the output size is given by. model factor: the model's own (x4 for an x4 "
            "model). longest side: of width and height the larger. fit into: as large as a box "
            "holds. Proportions are kept; anything but the model's factor is resized from it, and "
            "what is larger gains no detail that way: two nodes one after the other do that.",
        ),
        io.Float.Input(
            "size",
            default=2.0,
            min=0.01,
            max=LARGEST_SIDE,
            step=0.01,
            tooltip="The factor, the pixels of that side (of the box's width for fit into), or the "
            "megapixels. Not used with model factor.",
        ),
        io.Int.Input(
            "fit_height",
            default=FIT_HEIGHT,
            min=SMALLEST_SIDE,
            max=LARGEST_SIDE,
            optional=True,
            tooltip="fit into only: the box's height in pixels.",
        ),
    ]


def output_size(size_by: str, size: float, fit_height: int = FIT_HEIGHT) -> OutputSize | None:
    """What the size inputs mean; None is the model's factor.

    Nothing checks them before the run: ComfyUI would blame every input that such a check reads, and
    what is wrong is one. It checks the range of each itself.

    Raises:
        ConfigError: If they mean nothing.
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
