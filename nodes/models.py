"""Which models Load KDSR offers, and which file a choice means."""

from pathlib import Path

from ..kdsr.errors import KDSRError
from ..kdsr.loading import DEFAULT_MODEL, load as load_model
from . import runtime
from .types import LoadedModel

DEFAULT = DEFAULT_MODEL
DOWNLOAD_MARK = " (download)"


def options() -> list[str]:
    """Bundled models, files in models/kdsr, downloadable ones (marked)."""
    return list(dict.fromkeys([DEFAULT, *runtime.model_files()]))


def problem(model: str, hub_id: str) -> str | None:
    """What is wrong with a choice, as far as can be known without reading weights."""
    if not hub_id and model not in options():
        return f"no model {model!r}"
    return None


def version(model: str, hub_id: str) -> str:
    """Changes when the file behind a choice changes."""
    path = None if hub_id else runtime.model_path(model)
    return f"{hub_id or model} {path.stat().st_mtime_ns if path else ''}"


def load(model: str, hub_id: str, precision: str) -> LoadedModel:
    """Loads a choice."""
    return runtime.manage(load_model(model), precision)
