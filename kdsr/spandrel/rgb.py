"""What the networks take from programs that load their upscalers with spandrel: RGB alone."""

from collections.abc import Callable

from torch import Tensor

from ..errors import ImageError


def check_rgb(image: Tensor) -> None:
    """Raises an `ImageError` for anything but (B, 3, H, W)."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise ImageError(
            f"expected RGB images as (batch, 3, height, width), got {tuple(image.shape)}; "
            "take the alpha off before: in ComfyUI put Split Image with Alpha before this node and "
            "Join Image with Alpha after it, or use Upscale with IDR, which keeps alpha"
        )


def run_on_rgb(model: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """The `call_fn` of our descriptors: spandrel itself does not look at the channels."""
    check_rgb(image)
    return model(image)
