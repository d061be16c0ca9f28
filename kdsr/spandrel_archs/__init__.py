"""KDSR for every program that loads its upscalers with spandrel (chaiNNer, ComfyUI, ...).

Imports all of the library but the command. spandrel itself is optional and imported only when
asked for.
"""

from typing import TYPE_CHECKING, Any

from ..errors import ImageError, KDSRError

if TYPE_CHECKING:
    from torch import Tensor


def install(registry: Any = None) -> bool:
    """Teaches spandrel to load KDSR students, ours and official ones, and baked networks.

    May be called any number of times. Where spandrel knows an architecture named KDSR already, that
    one stays.

    Args:
        registry: A `spandrel.ArchRegistry`; by default `spandrel.MAIN_REGISTRY`, which every
            `spandrel.ModelLoader` uses unless it was given another.

    Returns:
        Whether it was added: False if the registry had it.

    Raises:
        KDSRError: If spandrel is not installed.
    """
    try:
        from spandrel import (  # pyright: ignore[reportMissingImports]
            MAIN_REGISTRY,
            ArchSupport,
        )
    except ImportError as error:
        raise KDSRError(
            f"spandrel cannot be imported ({error}); install it with `pip install spandrel`"
        ) from None
    from .archs import BakedArch, KDSRArch

    registry = MAIN_REGISTRY if registry is None else registry
    supports = map(ArchSupport.from_architecture, (KDSRArch(), BakedArch()))
    return bool(registry.add(*supports, ignore_duplicates=True))


def check_rgb(image: "Tensor") -> None:
    """Raises an `ImageError` for anything but (B, 3, H, W)."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise ImageError(
            f"expected RGB images as (batch, 3, height, width), got {tuple(image.shape)}; "
            "take the alpha off before: in ComfyUI put Split Image with Alpha before this node and "
            "Join Image with Alpha after it, or use Upscale with IDR, which keeps alpha"
        )
