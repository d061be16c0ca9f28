"""From a name to a verified file: bundled, local, or downloaded from the Hugging Face Hub.

HF_ENDPOINT (a mirror), HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are honoured, at the time of the call.
A download that breaks off is resumed, and a file appears under its name only when it is whole.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .atomic import replacing
from .catalog import WEIGHTS, CatalogEntry, find_model, list_models
from .errors import HubError

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file on the Hub.

    Attributes:
        repo: `owner/repo`.
        file: Path in the repository.
        revision: Commit, tag or branch.
    """

    repo: str
    file: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> "HubFile":
        """Reads `[hf://]owner/repo/path/file.safetensors[@revision]`.

        Raises:
            HubError: If it has another form.
        """
        address, _, revision = text.removeprefix("hf://").partition("@")
        parts = address.split("/")
        named = all(re.fullmatch(r"[\w.-]+", part) and set(part) != {"."} for part in parts)
        if len(parts) < 3 or not named or not parts[-1].endswith(".safetensors"):
            raise HubError(
                f"cannot read {text!r}: expected hf://owner/repo/file.safetensors[@revision]"
            )
        if "@" in text and not re.fullmatch(r"[\w./-]+", revision):
            raise HubError(f"cannot read the revision {revision!r} in {text!r}")
        return cls("/".join(parts[:2]), "/".join(parts[2:]), revision or "main")

    @property
    def url(self) -> str:
        """Where it can be fetched by hand."""
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        return f"{endpoint}/{self.repo}/resolve/{self.revision}/{self.file}"


def default_folder() -> Path:
    """Where downloaded models are kept: `$KDSR_HOME/models`, else `~/.cache/kdsr/models`."""
    home = os.environ.get("KDSR_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "kdsr") / "models"


def resolve(
    source: str,
    folders: Sequence[Path] = (),
    progress: Callable[[int, int], None] | None = None,
    entries: list[CatalogEntry] | None = None,
) -> Path:
    """Finds a model's file, downloading and verifying it if need be.

    Args:
        source: A catalog name, an existing path, or `hf://owner/repo/file.safetensors[@revision]`.
        folders: Where to look first; the first one also keeps what is downloaded by name. By
            default `default_folder()`.
        progress: Called with (bytes done, bytes in all) while downloading, where the installed
            huggingface_hub can; it shows its own bar otherwise.
        entries: Instead of the package's catalog.

    Raises:
        HubError: If there is no such model, or it cannot be had or verified; the message names the
            URL and the folder where the file may be put by hand.
    """
    if source.startswith("hf://"):
        wanted = HubFile.parse(source)
        return _download(wanted, Path(folders[0]) if folders else default_folder(), progress)
    if Path(source).is_file():
        return Path(source)
    entry = find_model(source, list_models() if entries is None else entries)
    return _resolve_entry(entry, folders, progress)


def _resolve_entry(
    entry: CatalogEntry, folders: Sequence[Path], progress: Callable[[int, int], None] | None
) -> Path:
    if entry.repo is None:
        return WEIGHTS / entry.file
    name = f"{entry.name}.safetensors"
    places = [Path(folder) for folder in folders] or [default_folder()]
    for place in places:
        if (place / name).is_file():
            _verify(place / name, entry.sha256, f"delete {place / name} to download it again")
            return place / name
    wanted = HubFile(entry.repo, entry.file, entry.revision or "main")
    cached = _download(wanted, places[0], progress, entry.sha256)
    places[0].mkdir(parents=True, exist_ok=True)
    with replacing(places[0] / name) as temporary:
        shutil.copyfile(cached, temporary)
    return places[0] / name


def _download(
    wanted: HubFile,
    folder: Path,
    progress: Callable[[int, int], None] | None,
    sha256: str | None = None,
) -> Path:
    """The file in the Hub client's cache, verified."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    by_hand = f"Or fetch {wanted.url} yourself and put it into {folder}"
    options: dict[str, Any] = {"endpoint": os.environ.get("HF_ENDPOINT") or None}
    if progress is not None:
        options |= _progress_option(hf_hub_download, progress)
    try:
        path = Path(
            hf_hub_download(
                wanted.repo,
                wanted.file,
                revision=wanted.revision,
                local_files_only=offline,
                **options,
            )
        )
    # FileNotFoundError and ValueError: offline without a cached copy, in different versions.
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise HubError(f"{wanted.url}: {_reason(error, offline=offline)}. {by_hand}") from None
    except Exception as error:
        # The client's HTTP library is another in each of its major versions.
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3")):
            raise
        raise HubError(f"{wanted.url}: {_reason(error, offline=offline)}. {by_hand}") from None
    blob = path.resolve()
    expected = sha256 or (blob.name if _SHA256.fullmatch(blob.name) else None)
    try:
        _verify(path, expected, by_hand)
    except HubError:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)  # or the wrong bytes would be served from the cache
        raise
    return path


def _progress_option(download: Any, progress: Callable[[int, int], None]) -> dict[str, Any]:
    import inspect

    if "tqdm_class" not in inspect.signature(download).parameters:
        return {}
    from tqdm import tqdm

    class Reporting(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            progress(int(self.n), int(self.total or 0))
            return shown

    return {"tqdm_class": Reporting}


def _reason(error: Exception, *, offline: bool) -> str:
    kind = type(error).__name__
    if offline:
        return "not in the cache, and HF_HUB_OFFLINE forbids the network; unset it once"
    known = {
        "EntryNotFoundError": "the repository has no such file",
        "RemoteEntryNotFoundError": "the repository has no such file",
        "RevisionNotFoundError": "the repository has no such revision",
        "RepositoryNotFoundError": "there is no such repository, or it is private: set HF_TOKEN",
        "GatedRepoError": "the repository asks for consent: accept its terms and set HF_TOKEN",
    }
    if kind in known:
        return known[kind]
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"cannot be downloaded: {error.strerror}"
    detail = str(error).strip().splitlines()
    return f"cannot be downloaded ({kind}{': ' + detail[0] if detail else ''})"


def _verify(path: Path, sha256: str | None, remedy: str) -> None:
    if sha256 is None:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != sha256:
        raise HubError(
            f"{path.name} is not the expected file (sha256 {digest.hexdigest()[:16]}..., expected "
            f"{sha256[:16]}...). {remedy}"
        )
