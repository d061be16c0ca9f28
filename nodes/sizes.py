"""How large the result shall be: the inputs that say so, and what they mean."""

from typing import Any

from comfy_api.latest import io

from ..kdsr.errors import ConfigError
from ..kdsr.upscaling.sizes import LARGEST_SIDE, OutputSize

MODEL_FACTOR = "model factor"
SIZE_BY = (MODEL_FACTOR, "factor", "width", "height", "megapixels")


def size_inputs() -> list[Any]:
    """The inputs of every upscaling node that say how large."""
    return [
        io.Combo.Input(
            "size_by",
            options=list(SIZE_BY),
            default=MODEL_FACTOR,
            tooltip="What the output size is given by. model factor: the model's own (x4 for an x4 "
            "model); anything smaller is an antialiased downscale of that.",
        ),
        io.Float.Input(
            "size",
            default=2.0,
            min=0.01,
            max=LARGEST_SIDE,
            step=0.01,
            tooltip="The factor, the width or height in pixels, or the megapixels. Not used with "
            "model factor.",
        ),
    ]


def output_size(size_by: str, size: float) -> OutputSize | None:
    """What the size inputs mean; None is the model's factor.

    Raises:
        ConfigError: If they mean nothing.
    """
    if size_by not in SIZE_BY:
        raise ConfigError(f"unknown size_by {size_by!r}; choose one of {', '.join(SIZE_BY)}")
    if size_by == MODEL_FACTOR:
        return None
    if size_by == "factor":
        return OutputSize(factor=size)
    if size_by == "megapixels":
        return OutputSize(megapixels=size)
    if size < 1 or size != int(size):
        raise ConfigError(f"the {size_by} must be a whole number of pixels, got {size:g}")
    pixels = int(size)
    return OutputSize(width=pixels) if size_by == "width" else OutputSize(height=pixels)


def size_problem(size_by: str | None = None, size: float | None = None) -> str | None:
    """What is wrong with an output size, as far as can be known without the image."""
    if size_by is None or size is None:  # linked: known when it runs
        return None
    try:
        output_size(size_by, size)
    except ConfigError as error:
        return str(error)
    return None
