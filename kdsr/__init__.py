"""KDSR: blind super-resolution steered by an implicit degradation representation (IDR).

Names are resolved on first use, so that `import kdsr` costs nothing until a model is needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import PRESETS as PRESETS
    from .config import KDSRConfig as KDSRConfig
    from .errors import Cancelled as Cancelled
    from .errors import CheckpointError as CheckpointError
    from .errors import ConfigError as ConfigError
    from .errors import HubError as HubError
    from .errors import IDRError as IDRError
    from .errors import ImageError as ImageError
    from .errors import KDSRError as KDSRError
    from .idr import IDR as IDR
    from .loading import load as load
    from .model import KDSR as KDSR
    from .model import KDSRTeacher as KDSRTeacher

__version__ = "0.1.0"

_HOME = {
    "PRESETS": "config",
    "KDSRConfig": "config",
    "Cancelled": "errors",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "HubError": "errors",
    "IDRError": "errors",
    "ImageError": "errors",
    "KDSRError": "errors",
    "IDR": "idr",
    "load": "loading",
    "KDSR": "model",
    "KDSRTeacher": "model",
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
