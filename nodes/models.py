"""The models of Load KDSR: the choices, their files, and the value passed to other nodes."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch

from ..kdsr.errors import HubError, IDRError
from ..kdsr.files.catalog import CatalogEntry, list_models, models_by_factor, resolve, retirement
from ..kdsr.files.catalog import load as load_model
from ..kdsr.idr import IDR
from ..kdsr.model import KDSR
from ..kdsr.options import PURPOSES, RETIRED_PURPOSES
from . import runtime
from .types import LoadedModel

DEFAULT = "photo"
DOWNLOAD_MARK = " (download)"


class Models:
    """Output of Load KDSR: one model, or one for each factor, loaded when needed.

    Args:
        loaders: Loading functions, by factor.
    """

    def __init__(self, loaders: dict[int, Callable[[], LoadedModel]]) -> None:
        self._loaders = loaders
        self._loaded: dict[int, LoadedModel] = {}

    @property
    def factors(self) -> tuple[int, ...]:
        """Factors with models, the smallest first."""
        return tuple(sorted(self._loaders))

    def of(self, factor: int) -> LoadedModel:
        """The model of a factor."""
        if factor not in self._loaded:
            self._loaded[factor] = self._loaders[factor]()
        return self._loaded[factor]

    @property
    def main(self) -> LoadedModel:
        """The one of the largest factor, which estimates where no size is known."""
        return self.of(self.factors[-1])

    @property
    def kdsr(self) -> KDSR:
        """The network of `main`."""
        return self.main.kdsr

    def of_idr(self, idr: IDR) -> LoadedModel:
        """The model that made an IDR.

        Raises:
            IDRError: If none of these did, naming both.
        """
        for factor in reversed(self.factors):
            model = self.of(factor)
            if model.kdsr.fingerprint == idr.fingerprint:
                idr.check_model(model.kdsr.fingerprint, model.kdsr.config.n_feats)
                return model
        names = " or ".join(self.of(factor).name for factor in reversed(self.factors))
        raise IDRError(
            f"this IDR was made by {maker(idr)}, the model here is {names}: load the model that "
            "made it, or estimate it again with this one"
        )


def maker(idr: IDR) -> str:
    """The model that made an IDR, as people call it."""
    return idr.provenance.get("model") or "a model without a name"


def options() -> list[str]:
    """Purposes, bundled models, files in models/kdsr, and downloadable models, marked.

    Retired purposes and models are not among them, and pass `problem`: workflows hold their names.
    A model stays under its marked name once it is downloaded: workflows hold that name.
    """
    listed = [entry for entry in list_models() if not entry.retired]
    bundled = [entry.name for entry in listed if entry.bundled]
    marked = [entry.name + DOWNLOAD_MARK for entry in listed if not entry.bundled]
    return [*PURPOSES, *bundled, *runtime.model_files(), *marked]


def problem(model: object) -> str | None:
    """Describes the problem of a choice, as far as known without reading weights."""
    if _purpose(model) or _entry(model) or runtime.model_path(model):
        return None
    return (
        f"no model {str(model)[:80]!r}; choose one of {', '.join(options())}, or put the file into "
        f"{runtime.model_folders()[0]} and press R"
    )


def has_dial(model: object) -> bool:
    """Whether `crispness` means something for a choice."""
    if purpose := _purpose(model):
        by_factor = models_by_factor(list_models(), purpose)
        return by_factor[max(by_factor)].faithful is not None
    entry = _entry(model)
    return entry is not None and entry.faithful is not None


def version(model: str | None, hub_id: str | None, crispness: float | None) -> str:
    """Changes when what a choice means changes."""
    address = (hub_id or "").strip()
    path = None if address else runtime.model_path(model)
    dial = crispness if not address and has_dial(model) else ""
    return f"{address or model} {path.stat().st_mtime_ns if path else ''} {dial}"


def load(
    model: str, hub_id: str | None = "", precision: str = "auto", crispness: float = 1.0
) -> Models:
    """Loads a choice, downloading it if need be.

    Args:
        model: Choice, one of `options`.
        hub_id: An address that is taken instead.
        precision: Precision of the network.
        crispness: Crispness as in `kdsr.load`; ignored by models without it.

    Raises:
        KDSRError: If there is no such model, or it cannot be had or read.
    """
    address = (hub_id or "").strip()
    dial = crispness if not address and has_dial(model) else 1.0
    if not address and (purpose := _purpose(model)):
        by_factor = models_by_factor(list_models(), purpose)
        return Models(
            {
                factor: lambda entry=entry: _loaded(
                    entry.name, precision, dial if entry.faithful else 1.0, entry.name
                )
                for factor, entry in by_factor.items()
            }
        )
    entry = None if address else _entry(model)
    path = _find(model, address)
    name = entry.name if entry else Path(address.partition("@")[0] or model).stem
    loaded = _loaded(entry.name if entry and dial != 1 else path, precision, dial, name)
    return Models({loaded.kdsr.config.scale: lambda: loaded})


def own(purpose: str) -> Models:
    """The models of a purpose, for nodes that nothing is linked to.

    Raises:
        HubError: If there is no such purpose.
    """
    current = _purpose(purpose)
    if current is None:
        raise HubError(purpose_problem(purpose) or purpose)
    return _own(current)


@lru_cache(maxsize=len(PURPOSES))
def _own(purpose: str) -> Models:
    return load(purpose)


def purpose_problem(purpose: object) -> str | None:
    """Describes the problem of a purpose; retired ones have none."""
    if _purpose(purpose):
        return None
    return f"no purpose {str(purpose)[:80]!r}; choose one of {', '.join(PURPOSES)}"


def remarks(choice: str) -> list[str]:
    """What a person who made a choice should know, for the node's note."""
    said = retirement(choice)
    return [] if said is None else [said]


def _purpose(model: object) -> str | None:
    """The purpose that a choice means, if it means one."""
    name = RETIRED_PURPOSES.get(str(model), str(model))
    return name if name in PURPOSES else None


def _loaded(source: str | Path, precision: str, crispness: float, name: str) -> LoadedModel:
    with torch.inference_mode(False):  # weights that nodes of other packs may use outside it, too
        kdsr = load_model(source, runtime.model_folders(), crispness=crispness)
        return runtime.manage(kdsr, precision, name)


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
