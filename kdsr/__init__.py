"""KDSR: blind super-resolution steered by an implicit degradation representation (IDR).

Names are resolved on first use, so that `import kdsr` costs nothing until a model is needed.
"""

from typing import TYPE_CHECKING, Any

from .errors import (
    Cancelled,
    CheckpointError,
    ConfigError,
    HubError,
    IDRError,
    ImageError,
    KDSRError,
    OutOfMemoryError,
)

if TYPE_CHECKING:
    from .files.catalog import load
    from .idr import IDR
    from .meaning.readings import read
    from .meaning.references import references, with_strength
    from .model import KDSR, blend_models
    from .network.architecture import PRESETS, KDSRConfig
    from .network.models import Teacher as KDSRTeacher

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
    "OutOfMemoryError",
    "blend_models",
    "load",
    "read",
    "references",
    "with_strength",
]


def __getattr__(name: str) -> Any:
    # Spelled out, because registries that scan node packs flag importlib.
    if name == "blend_models":
        from .model import blend_models

        return blend_models
    if name == "load":
        from .files.catalog import load

        return load
    if name == "read":
        from .meaning.readings import read

        return read
    if name == "references":
        from .meaning.references import references

        return references
    if name == "with_strength":
        from .meaning.references import with_strength

        return with_strength
    if name == "IDR":
        from .idr import IDR

        return IDR
    if name == "KDSR":
        from .model import KDSR

        return KDSR
    if name == "KDSRTeacher":
        from .network.models import Teacher

        return Teacher
    if name in ("PRESETS", "KDSRConfig"):
        from .network import architecture

        return getattr(architecture, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
