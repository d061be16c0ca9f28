"""From a name to a verified file: bundled, local, or downloaded from the Hugging Face Hub.

HF_ENDPOINT (a mirror), HF_TOKEN and HF_HUB_OFFLINE are honoured as they are at the time of the
call, HF_HOME as it was when the client was first imported. A download that breaks off is resumed,
and a file appears under its name only when it is whole.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic import writing
from ..errors import HubError
from .catalog import WEIGHTS, CatalogEntry, find_model, list_models

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TRIES = 4


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
        folder = Path(folders[0]) if folders else default_folder()
        by_hand = (
            f"Or fetch {wanted.url} yourself into {folder} and name that file, not the address"
        )
        return _download(wanted, by_hand, progress)
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
    by_hand = f"Or fetch {wanted.url} yourself and save it as {places[0] / name}"
    cached = _download(wanted, by_hand, progress, entry.sha256)
    places[0].mkdir(parents=True, exist_ok=True)
    with writing(places[0] / name) as temporary:
        shutil.copyfile(cached, temporary)
    return places[0] / name


def _download(
    wanted: HubFile,
    by_hand: str,
    progress: Callable[[int, int], None] | None,
    sha256: str | None = None,
) -> Path:
    """The file in the Hub client's cache, verified."""
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    with _explaining(wanted, by_hand, offline=offline):
        path = _fetch(wanted, progress, offline=offline)
    try:
        _verify(path, sha256 or _stated_hash(path, wanted, offline=offline), by_hand)
    except HubError:
        # What links to the wrong bytes goes first, or they would be served from the cache.
        blob = path.parent / path.readlink() if path.is_symlink() else path
        for file in (path.resolve(), path, blob):
            file.unlink(missing_ok=True)
        raise
    return path


@contextmanager
def _explaining(wanted: HubFile, by_hand: str, *, offline: bool) -> Iterator[None]:
    """Turns what the client raises into a HubError; each major version has other exceptions."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    # FileNotFoundError and ValueError: offline without a cached copy, in different versions.
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise HubError(f"{wanted.url}: {_reason(error, offline=offline)}. {by_hand}") from None
    except Exception as error:
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3")):
            raise
        raise HubError(f"{wanted.url}: {_reason(error, offline=offline)}. {by_hand}") from None


def _fetch(wanted: HubFile, progress: Callable[[int, int], None] | None, *, offline: bool) -> Path:
    from huggingface_hub import hf_hub_download

    options: dict[str, Any] = {
        "revision": wanted.revision,
        "endpoint": os.environ.get("HF_ENDPOINT") or None,
        "local_files_only": offline,
    }
    if progress is not None:
        options |= _progress_option(hf_hub_download, progress)
    for attempt in range(1, _TRIES + 1):
        try:
            return Path(hf_hub_download(wanted.repo, wanted.file, **options))
        except Exception as error:  # noqa: PERF203
            # Clients before 1.0 go on from where a connection broke, but only when called again.
            if type(error).__name__ != "ChunkedEncodingError" or attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


def _stated_hash(path: Path, wanted: HubFile, *, offline: bool) -> str | None:
    """The sha256 that the Hub states for a file in the cache; None where it states none."""
    etag = None
    if path.is_symlink():
        # To blobs/<etag>. That may be a link too, to a store where names are hashes of another
        # kind: only the first link is followed.
        etag = path.readlink().name
    elif not offline:  # a file system without links, as on many Windows machines
        from huggingface_hub import get_hf_file_metadata

        with suppress(HubError), _explaining(wanted, "", offline=False):
            etag = get_hf_file_metadata(wanted.url).etag
    return etag if etag and _SHA256.fullmatch(etag) else None


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
