"""Which models Load KDSR offers, and which file a choice means."""

from functools import lru_cache
from pathlib import Path

import torch

from ..kdsr.errors import HubError, KDSRError
from ..kdsr.files.catalog import WEIGHTS, CatalogEntry, list_models
from ..kdsr.files.hub import resolve
from ..kdsr.files.loading import DEFAULT_MODEL
from ..kdsr.files.loading import load as load_model
from ..kdsr.model import KDSR
from . import runtime
from .types import LoadedModel

DEFAULT = DEFAULT_MODEL
DOWNLOAD_MARK = " (download)"


def options() -> list[str]:
    """Bundled models, files in models/kdsr, and downloadable models, marked.

    A model stays under its marked name once it is downloaded: workflows hold that name.
    """
    bundled = [entry.name for entry in list_models() if entry.bundled]
    marked = [entry.name + DOWNLOAD_MARK for entry in list_models() if not entry.bundled]
    return [*bundled, *runtime.model_files(), *marked]


def problem(model: object) -> str | None:
    """What is wrong with a choice, as far as can be known without reading weights."""
    if _entry(model) or runtime.model_path(model):
        return None
    return (
        f"no model {str(model)[:80]!r}; choose one of {', '.join(options())}, or put the file into "
        f"{runtime.model_folders()[0]} and press R"
    )


def version(model: str | None, hub_id: str | None) -> str:
    """Changes when the file behind a choice changes."""
    address = (hub_id or "").strip()
    path = None if address else runtime.model_path(model)
    return f"{address or model} {path.stat().st_mtime_ns if path else ''}"


def load(model: str, hub_id: str | None, precision: str, crispness: float = 1.0) -> LoadedModel:
    """Loads a choice, downloading it if need be.

    Args:
        model: One of `options`.
        hub_id: An address that is taken instead.
        precision: What it runs in.
        crispness: See `kdsr.load`.

    Raises:
        KDSRError: If there is no such model, or it cannot be had or read.
    """
    address = (hub_id or "").strip()
    path, entry = _find(model, address), None if address else _entry(model)
    # Where there is no partner the page hides the dial, whatever it stands at.
    partner = entry is not None and entry.faithful is not None
    source, dial = (entry.name, crispness) if entry and partner else (path, 1.0)
    with torch.inference_mode(False):  # weights that nodes of other packs may use outside it, too
        loaded = load_model(source, runtime.model_folders(), crispness=dial)
        return runtime.manage(loaded, precision)


def facts(model: str = "", **_: str) -> str:
    """Scale and size of a choice, as Load KDSR shows them; empty if its file is not here or broken.

    Never downloads. Takes and ignores whatever else a page may ask with.
    """
    entry = _entry(model)
    path = WEIGHTS / entry.file if entry and entry.bundled else runtime.model_path(model)
    try:
        return _facts_of(path, path.stat().st_mtime_ns) if path else ""
    except (KDSRError, OSError):  # said when it runs
        return ""


@lru_cache(maxsize=256)
def _facts_of(path: Path, _changed: int) -> str:
    return describe(load_model(path))


def describe(kdsr: KDSR) -> str:
    """A model in a line."""
    parameters = sum(parameter.numel() for parameter in kdsr.parameters())
    return f"x{kdsr.config.scale}, {parameters / 1e6:.1f} M parameters"


def _find(model: str, address: str) -> Path:
    if address:
        return _fetch(f"hf://{address.removeprefix('hf://')}")
    if entry := _entry(model):
        return _fetch(entry.name)
    path = runtime.model_path(model)
    if path is None:
        raise HubError(problem(model) or model)
    return path


def _fetch(source: str) -> Path:
    bar = runtime.Progress(1).part(1)

    def progress(done: int, total: int) -> None:
        if total:
            bar(done, total)

    return resolve(source, runtime.model_folders(), progress, cancelled=runtime.cancelled)


def _entry(model: object) -> CatalogEntry | None:
    name = str(model).removesuffix(DOWNLOAD_MARK)
    return next((entry for entry in list_models() if entry.name == name), None)
