"""KDSR: blind super-resolution steered by an implicit degradation representation (IDR).

Names are resolved on first use, so that `import kdsr` costs nothing until a model is needed.
"""

from typing import TYPE_CHECKING, Any

from .config import PRESETS, KDSRConfig
from .errors import (
    Cancelled,
    CheckpointError,
    ConfigError,
    HubError,
    IDRError,
    ImageError,
    KDSRError,
)

if TYPE_CHECKING:
    from .idr import IDR
    from .loading import load
    from .model import KDSR, KDSRTeacher
    from .readout import read
    from .reference import references
    from .strength import with_strength

__version__ = "0.1.0"

__all__ = [
    "IDR",
    "KDSR",
    "PRESETS",
    "Cancelled",
    "CheckpointError",
    "ConfigError",
    "HubError",
    "IDRError",
    "ImageError",
    "KDSRConfig",
    "KDSRError",
    "KDSRTeacher",
    "load",
    "read",
    "references",
    "with_strength",
]


def __getattr__(name: str) -> Any:
    # Spelled out, because registries that scan node packs flag importlib.
    if name == "load":
        from .loading import load

        return load
    if name == "read":
        from .readout import read

        return read
    if name == "references":
        from .reference import references

        return references
    if name == "with_strength":
        from .strength import with_strength

        return with_strength
    if name == "IDR":
        from .idr import IDR

        return IDR
    if name in ("KDSR", "KDSRTeacher"):
        from . import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
