"""From a name to a verified file: bundled, local, or downloaded from the Hugging Face Hub.

HF_ENDPOINT (a mirror), HF_TOKEN and HF_HUB_OFFLINE are honoured as they are at the time of the
call, HF_HOME as it was when the client was first imported. A download that breaks off is resumed,
and a file appears under its name only when it is whole.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from ..atomic import writing
from .catalog import CatalogEntry, find_model, list_models
from .hub_address import HubFile
from .hub_client import ProgressFn, download, verify


def default_folder() -> Path:
    """Where downloaded models are kept: `$KDSR_HOME/models`, else `~/.cache/kdsr/models`."""
    home = os.environ.get("KDSR_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "kdsr") / "models"


def resolve(
    source: str,
    folders: Sequence[Path] = (),
    progress: ProgressFn | None = None,
    entries: list[CatalogEntry] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Finds a model's file, downloading and verifying it if need be.

    Args:
        source: A catalog name (before a file of that name, which is `./NAME`), an existing path, or
            `hf://owner/repo/file.safetensors[@revision]`.
        folders: Where to look first; the first one also keeps what is downloaded by name. By
            default `default_folder()`.
        progress: Called with (bytes done, bytes in all) while downloading, where the installed
            huggingface_hub can; it shows its own bar otherwise.
        entries: Instead of the package's catalog.
        cancelled: Asked several times a second while downloading; True stops it.

    Raises:
        HubError: If there is no such model, or it cannot be had or verified; the message names the
            URL and the folder where the file may be put by hand.
        Cancelled: If `cancelled` says so.
    """
    if source.startswith("hf://"):
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
    progress: ProgressFn | None,
    cancelled: Callable[[], bool] | None,
) -> Path:
    if entry.repo is None:
        return entry.path
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
