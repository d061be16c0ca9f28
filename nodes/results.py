"""The buffer a result is written into: whether it can be had is known before any work."""

import math
from typing import Any

from torch import Tensor

from ..kdsr.errors import ImageError
from ..kdsr.memory import is_out_of_memory
from ..kdsr.options import Size
from ..kdsr.upscaling.sizes import OutputSize
from . import runtime
from .images import Picture
from .types import LoadedModel

_FLOAT = 4
"""Bytes of what the library computes with."""


def new_result(
    node: Any,
    model: LoadedModel,
    picture: Picture,
    size: OutputSize | None,
    *,
    in_regions: bool = False,
) -> Tensor:
    """Makes room for a result; more than is free is said in the node, and tried.

    A result beyond the model's factor is allowed, and said, too: saved workflows hold such sizes.

    Args:
        node: Whose run it is.
        model: Gives the factor when no size is wanted.
        picture: What is upscaled.
        size: Of the result.
        in_regions: Whether regions are blended, which takes more memory beside the result.

    Returns:
        Zeros, (B, H, W, 3), with alpha (B, H, W, 4).

    Raises:
        ConfigError: If the size is out of range for these images.
        ImageError: If the system does not give that much memory.
    """
    scale = model.kdsr.config.scale
    own = Size.of(picture.lq)
    full = own.scaled(scale)
    target = (size or OutputSize(factor=scale)).resolve(own)
    if not full.covers(target):
        runtime.show_text(
            node,
            f"x{scale} by the model, from {full.width} x {full.height} to {target} by "
            "a bicubic filter, which adds no detail. A second KDSR node behind this one would",
        )
    shape = (len(picture.lq), *target.shape, 3 if picture.alpha is None else 4)
    # Beside the result: the last region, which may be the whole image; where it is resized, the
    # image at the network's size and at the result's.
    resized = target != full or picture.alpha is not None
    planes = (in_regions + resized) * full.pixels + resized * target.pixels
    wanted = math.prod(shape) * runtime.result_dtype().itemsize + 3 * planes * _FLOAT
    free = runtime.free_memory()
    advice = (
        f"{len(picture.lq)} x {target} take {wanted / 1e9:.3g} GB of memory, "
        f"{free / 1e9:.3g} GB are free; ask for a smaller size or fewer images at a time"
    )
    if wanted > free:
        runtime.warn(node, f"the result may not fit: {advice}")
    try:
        return runtime.empty_result(shape)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    raise ImageError(f"the result does not fit: {advice}")
