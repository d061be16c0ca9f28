"""The buffer a result is written into: whether it can be had is known before any work."""

import math
from typing import Any

from torch import Tensor

from ..kdsr.errors import ImageError, is_out_of_memory
from . import runtime
from .images import Picture
from .running import Step

_FLOAT = 4
"""Bytes of what the library computes with."""


def new_result(
    node: Any, picture: Picture, steps: list[Step], *, in_regions: bool = False
) -> Tensor:
    """Makes room for a result; more than is free is said in the node, and tried.

    Args:
        node: Node that runs.
        picture: Picture to upscale.
        steps: How; from `plan`.
        in_regions: Whether regions are blended, which takes more memory beside the result.

    Returns:
        Zeros, (B, H, W, 3), with alpha (B, H, W, 4).

    Raises:
        ImageError: If the system does not give that much memory.
    """
    size = steps[-1].size
    shape = (len(picture.lq), *size.shape, 3 if picture.alpha is None else 4)
    planes = sum(_planes_beside(step, picture, in_regions=in_regions) for step in steps)
    wanted = math.prod(shape) * runtime.result_dtype().itemsize + 3 * planes * _FLOAT
    free = runtime.free_memory()
    advice = (
        f"{len(picture.lq)} x {size} take {wanted / 1e9:.3g} GB of memory, "
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


def _planes_beside(step: Step, picture: Picture, *, in_regions: bool) -> int:
    """Pixels beside the result.

    The last region, which may be the whole image; where the image is resized, it at the network's
    size and at the result's.
    """
    resized = step.size != step.full or picture.alpha is not None
    return (in_regions + resized) * step.full.pixels + resized * step.size.pixels
