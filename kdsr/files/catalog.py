"""Finds and loads models by name: the catalog, bundled, local and downloaded files.

HF_ENDPOINT (a mirror), HF_TOKEN and HF_HUB_OFFLINE are honoured as they are at the time of the
call, HF_HOME as it was when the client was first imported. A download that breaks off is resumed,
and a file appears under its name only when it is whole.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..atomic import writing
from ..errors import ConfigError, HubError
from ..idr import IDR
from ..model import KDSR
from ..options import DEFAULT_MODEL, PURPOSES, RETIRED_PURPOSES, Size
from ..tiles.work import pick_device
from .weights import load_student

if TYPE_CHECKING:
    from ..upscaling.sizes import OutputSize
    from .hub_client import ProgressFn

_log = logging.getLogger(__name__)

CATALOG = Path(__file__).with_name("catalog.json")
"""File that `list_models` reads."""
WEIGHTS = CATALOG.parents[1] / "weights"
"""Folder of the bundled weights that enlarge."""


@dataclass(frozen=True)
class CatalogEntry:
    """One model of `catalog.json`."""

    name: str
    """Name of the model."""
    repo: str | None
    """`owner/repo` on the Hub; None for a bundled file."""
    file: str
    """File in the repository, or the bundled one's name; see `path`."""
    revision: str | None
    """Commit that is downloaded: never a branch, which could move."""
    sha256: str
    """SHA-256 of the file."""
    licence: str
    """Licence of the weights."""
    scale: int
    """Upscaling factor; 1 cleans and leaves the size."""
    purpose: str
    """Purpose of the model, in a few words."""
    degradations: str
    """Training degradations, in words."""
    serves: str | None = None
    """The purpose that it is the bundled model of, for its factor; see `models_by_factor`."""
    faithful: str | None = None
    """The model that a crisp one was trained on from; `crispness` blends the two."""
    retired: bool = False
    """Whether the model is left out of lists; its name keeps working."""

    @property
    def bundled(self) -> bool:
        """Whether the file comes with the package."""
        return self.repo is None

    @property
    def path(self) -> Path:
        """Path of a bundled file.

        Models of factor 1 have their own folder, as other programs list all of `WEIGHTS`.
        """
        return (WEIGHTS if self.scale > 1 else WEIGHTS.with_name("weights_x1")) / self.file

    @property
    def hub_id(self) -> str:
        """`owner/repo/file@revision`."""
        return f"{self.repo}/{self.file}@{self.revision}"


def list_models() -> list[CatalogEntry]:
    """Lists all models with a name."""
    entries = json.loads(CATALOG.read_text(encoding="utf-8"))
    return [CatalogEntry(**entry) for entry in entries]


def models_by_factor(
    entries: Iterable[CatalogEntry], purpose: str = "faithful"
) -> dict[int, CatalogEntry]:
    """The bundled models of a purpose, by factor; nothing is downloaded that nobody named.

    Args:
        entries: The catalog.
        purpose: One of `PURPOSES`.
    """
    return {entry.scale: entry for entry in entries if entry.bundled and entry.serves == purpose}


def retirement(purpose: str) -> str | None:
    """Says what replaced a purpose, if it is retired."""
    if purpose not in RETIRED_PURPOSES:
        return None
    return f"{purpose} was retired, {RETIRED_PURPOSES[purpose]} takes its place"


def current(source: str) -> str:
    """Replaces a retired purpose, with a warning; returns any other source as it is."""
    if said := retirement(source):
        _log.warning("%s", said)
    return RETIRED_PURPOSES.get(source, source)


def find_model(name: str, entries: list[CatalogEntry]) -> CatalogEntry:
    """The entry of that name; of a purpose, the one with the largest factor.

    Raises:
        HubError: Naming the models there are.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    if found := models_by_factor(entries, name):
        return found[max(found)]
    raise HubError(
        f"unknown model {name!r}: choose {', '.join(PURPOSES)}, "
        f"{', '.join(entry.name for entry in entries if not entry.retired)}, a path to a "
        ".safetensors, .pt or .pth file, or hf://owner/repo/file.safetensors[@revision]"
    )


def default_folder() -> Path:
    """Folder of downloaded models: `$KDSR_HOME/models`, or `~/.cache/kdsr/models`."""
    home = os.environ.get("KDSR_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "kdsr") / "models"


def resolve(
    source: str,
    folders: Sequence[Path] = (),
    progress: "ProgressFn | None" = None,
    entries: list[CatalogEntry] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Finds a model's file, downloading and verifying it if need be.

    Args:
        source: A catalog name, an existing path, or `hf://owner/repo/file.safetensors[@revision]`.
            A name in the catalog wins over a file of that name, which is `./NAME`.
        folders: Folders to search first; the first one also keeps models downloaded by name. By
            default `default_folder()`.
        progress: Called with (bytes done, bytes in all) while downloading, where the installed
            huggingface_hub can; it shows its own bar otherwise.
        entries: Catalog entries, instead of the package's.
        cancelled: Called several times a second while downloading; True stops the download.

    Raises:
        HubError: If there is no such model, or its download or verification fails; the message
            names the URL, and the folder for a file downloaded by hand.
        Cancelled: If `cancelled` says so.
    """
    if source.startswith("hf://"):
        from .hub_client import HubFile, download

        wanted = HubFile.parse(source)
        folder = Path(folders[0]) if folders else default_folder()
        by_hand = (
            f"Or fetch {wanted.url} yourself into {folder} and name that file, not the address"
        )
        return download(wanted, by_hand, progress, cancelled)
    known = list_models() if entries is None else entries
    if source not in {entry.name for entry in known} and Path(source).is_file():
        return Path(source)
    entry = find_model(source, known)
    return _resolve_entry(entry, folders, progress, cancelled)


def _resolve_entry(
    entry: CatalogEntry,
    folders: Sequence[Path],
    progress: "ProgressFn | None",
    cancelled: Callable[[], bool] | None,
) -> Path:
    if entry.repo is None:
        return entry.path
    from .hub_client import HubFile, download, verify

    name = f"{entry.name}.safetensors"
    places = [Path(folder) for folder in folders] or [default_folder()]
    for place in places:
        if (place / name).is_file():
            verify(place / name, entry.sha256, f"delete {place / name} to download it again")
            return place / name
    wanted = HubFile(entry.repo, entry.file, entry.revision or "main")
    by_hand = f"Or fetch {wanted.url} yourself and save it as {places[0] / name}"
    cached = download(wanted, by_hand, progress, cancelled, entry.sha256)
    with writing(places[0] / name) as temporary:
        shutil.copyfile(cached, temporary)
    return places[0] / name


_SUFFIXES = (".safetensors", ".pt", ".pth")


def load(
    source: str | Path = DEFAULT_MODEL, folders: Sequence[Path] = (), *, crispness: float = 1.0
) -> KDSR:
    """Loads a student, ready to run, in float32 on the CPU (then `model.to("cuda")`).

    Args:
        source: A name from `kdsr models`; a path to `.safetensors`, or to an official `.pt` /
            `.pth`; or `hf://owner/repo/file.safetensors[@revision]`.
        folders: Folders to search and to keep models in; see `kdsr.files.catalog.resolve`.
        crispness: For a crisp model with a name, or a purpose: 1 is that model, 0 its faithful
            partner, and others, up to 1.25, lie between the two or beyond. IDRs serve all of them.
            See `kdsr.blend_models`.

    Raises:
        ConfigError: If the model has no faithful partner, or `crispness` is out of range.
        HubError: If the model cannot be found or downloaded.
        CheckpointError: If the file is not a KDSR student; the message says what does not fit.
    """
    if isinstance(source, str):
        source = current(source)
    if crispness == 1:
        return load_student(find_file(source, folders))
    from ..model import blend_models  # only here: few models are mixed

    faithful, model = (
        load_student(find_file(name, folders)) for name in (_faithful(source), source)
    )
    return blend_models(faithful, model, crispness)


def _faithful(source: str | Path) -> str:
    """Name of the model that a crisp one was trained on from."""
    entries = list_models()
    named = {entry.name for entry in entries} | set(PURPOSES)
    partner = find_model(str(source), entries).faithful if str(source) in named else None
    if partner is None:
        crisp = [entry.name for entry in entries if entry.faithful]
        raise ConfigError(
            f"crispness is for {' and '.join(crisp) or 'crisp models'}, which {source} is not; "
            "leave it at 1, or blend two files of your own with `kdsr blend-models`"
        )
    return partner


def find_file(source: str | Path, folders: Sequence[Path] = ()) -> Path:
    """The file behind a source; see `load`."""
    if isinstance(source, Path):
        return source
    if not source.startswith("hf://") and Path(source).suffix in _SUFFIXES:
        return Path(source)
    source = current(source)
    bundled = {entry.name: entry.path for entry in list_models() if entry.bundled}
    if source in bundled:
        return bundled[source]
    return resolve(source, folders)


class ModelPass(NamedTuple):
    """One network pass over a picture."""

    model: KDSR
    """The model, on the device to run on."""
    size: Size
    """Size of the pass's result."""
    full: Size
    """Size of the network's output, before resizing to `size`."""


class ModelSet:
    """Loads each needed model once.

    Args:
        source: Purpose, name or path of the model; None for the default.
        device: Device to run on, or "auto".
        idr: Common IDR of all images, or None. It belongs to one model.
        crispness: Crispness as in `load`; other than 1 it is of one model, too.
        by_size: Whether sizes choose among the models of a purpose.

    Raises:
        IDRError: If the IDR belongs to another model.
    """

    def __init__(
        self,
        source: str | None,
        device: str,
        idr: IDR | None = None,
        *,
        crispness: float = 1.0,
        by_size: bool = False,
    ) -> None:
        self.device = pick_device(device)
        self._loaded: dict[int, KDSR] = {}
        self._names: dict[int, str] = {}
        source = None if source is None else current(source)
        purpose = "faithful" if source is None else source
        if by_size and purpose in PURPOSES and idr is None and crispness == 1:
            found = models_by_factor(list_models(), purpose)
            self._names = {factor: entry.name for factor, entry in found.items()}
            return
        model = load(source or DEFAULT_MODEL, crispness=crispness).to(self.device)
        if idr is not None:
            idr.check_model(model.fingerprint, model.config.n_feats)
        self._loaded = {model.config.scale: model}

    @property
    def only(self) -> KDSR:
        """The single model, if sizes do not choose."""
        (model,) = self._loaded.values()
        return model

    def identity(self) -> dict[int, str]:
        """Name of each model by factor, or the hash of the single model's weights."""
        return self._names or {self.only.config.scale: self.only.weights_hash()}

    def passes(self, source: Size, wish: "OutputSize | None") -> list[ModelPass]:
        """Plans the passes that bring a picture to a wanted size; by default one pass.

        Raises:
            ConfigError: If the size is out of range, or two passes cannot reach it.
        """
        if wish is None:
            full = source.scaled(self.only.config.scale)
            return [ModelPass(self.only, full, full)]
        from ..upscaling.sizes import plan_passes  # only here: most pictures ask for no size

        passes = []
        for one in plan_passes(source, wish.resolve(source), self._names or self._loaded):
            full = source.scaled(one.factor)
            passes.append(ModelPass(self._model(one.factor), one.size, full))
            source = one.size
        return passes

    def _model(self, factor: int) -> KDSR:
        if factor not in self._loaded:
            self._loaded[factor] = load(self._names[factor]).to(self.device)
        return self._loaded[factor]
