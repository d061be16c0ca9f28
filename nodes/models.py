"""Which models Load KDSR offers, and which file a choice means."""

import torch

from ..kdsr.loading import DEFAULT_MODEL
from ..kdsr.loading import load as load_model
from . import runtime
from .types import LoadedModel

DEFAULT = DEFAULT_MODEL
DOWNLOAD_MARK = " (download)"


def options() -> list[str]:
    """Bundled models, files in models/kdsr, downloadable ones (marked)."""
    return list(dict.fromkeys([DEFAULT, *runtime.model_files()]))


def problem(model: str) -> str | None:
    """What is wrong with a choice, as far as can be known without reading weights."""
    return None if model in options() else f"no model {model!r}"


def hub_problem(hub_id: str) -> str | None:
    """What is wrong with an address on the Hub, as far as can be known offline."""
    return None


def version(model: str | None, hub_id: str | None) -> str:
    """Changes when the file behind a choice changes."""
    path = runtime.model_path(model) if model and not hub_id else None
    return f"{hub_id or model} {path.stat().st_mtime_ns if path else ''}"


def load(model: str, hub_id: str, precision: str) -> LoadedModel:
    """Loads a choice."""
    with torch.inference_mode(False):  # weights that nodes of other packs may use outside it, too
        return runtime.manage(load_model(runtime.model_path(model) or model), precision)
