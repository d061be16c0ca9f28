"""Images in linear light, with values beyond white: coded for the networks, and back again."""

import torch
from torch import Tensor

from ..kdsr.errors import ImageError
from ..kdsr.pixels import coded, linear_of

DISPLAY, LINEAR = "display", "linear light"
LIGHTS = (DISPLAY, LINEAR)
"""Meaning of an image's values: display values in [0, 1], or linear light with white at 1."""
_ROWS = 256  # at a time: copies of a large result would not fit beside it


def to_display(image: Tensor) -> tuple[Tensor, float]:
    """Brings an IMAGE of linear light into [0, 1]; see `kdsr.pixels`.

    Args:
        image: (B, H, W, channels), 1 to 4 channels; values below 0 become 0.

    Returns:
        A new IMAGE, its alpha as it was, and the span that `to_light` needs.

    Raises:
        ImageError: If a colour is NaN or infinite.
    """
    count = 3 if image.shape[-1] >= 3 else 1
    light = image[..., :count]
    if not torch.isfinite(light).all():
        raise ImageError("the image has NaN or infinite values; check the step that made it")
    colours, span = coded(light.clamp(min=0))
    return torch.cat((colours, image[..., count:].to(colours)), dim=-1), span


def to_light(image: Tensor, span: float) -> Tensor:
    """Makes linear light of an IMAGE again, in place: (B, H, W, 3), with alpha (B, H, W, 4)."""
    for one in image:
        for top in range(0, len(one), _ROWS):
            colours = one[top : top + _ROWS, :, :3]
            colours.copy_(linear_of(colours, span))
    return image
