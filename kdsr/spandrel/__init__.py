"""KDSR for every program that loads its upscalers with spandrel (chaiNNer, ComfyUI, ...).

Imports all of the library but the command. spandrel itself is optional and imported only when
asked for.
"""

# Where spandrel is not installed, pyright takes its name for that of this folder.
# pyright: reportAttributeAccessIssue=false

from typing import Any

from ..errors import KDSRError


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
        from spandrel import MAIN_REGISTRY, ArchSupport
    except ImportError as error:
        raise KDSRError(
            f"spandrel cannot be imported ({error}); install it with `pip install spandrel`"
        ) from None
    from .architecture import KDSRArch
    from .baked import BakedArch

    registry = MAIN_REGISTRY if registry is None else registry
    supports = map(ArchSupport.from_architecture, (KDSRArch(), BakedArch()))
    return bool(registry.add(*supports, ignore_duplicates=True))
