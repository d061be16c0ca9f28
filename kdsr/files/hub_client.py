"""The Hugging Face Hub: addresses, and downloads that are verified and can be stopped."""

import hashlib
import inspect
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ..errors import Cancelled, HubError

_log = logging.getLogger(__name__)
_NAME = re.compile(r"\w(?:[\w.-]{0,94}\w)?", re.ASCII)
"""Valid names of owners and repositories on the Hub; `--` and `..` are excluded elsewhere."""
_REVISION = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)
"""A commit, a tag, a branch or `refs/pr/1`: no part of it leads upwards."""


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
        owner, _, rest = address.partition("/")
        repo, _, file = rest.partition("/")
        named = all(_NAME.fullmatch(n) and not re.search(r"--|\.\.", n) for n in (owner, repo))
        parts = file.split("/")
        inside = all(re.fullmatch(r"[\w.-]+", part) and set(part) != {"."} for part in parts)
        if not named or not inside or not file.endswith(".safetensors"):
            raise HubError(
                f"cannot read {text[:200]!r}: expected hf://owner/repo/file.safetensors[@revision]"
            )
        if "@" in text and not _REVISION.fullmatch(revision):
            raise HubError(
                f"cannot read the revision {revision!r} in {text[:200]!r}: expected a commit, a "
                "tag or a branch"
            )
        return cls(f"{owner}/{repo}", file, revision or "main")

    @property
    def url(self) -> str:
        """Address for a manual download."""
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        return f"{endpoint}/{self.repo}/resolve/{self.revision}/{self.file}"


ProgressFn = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NETWORKING = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib3")  # and httpx2
_TRIES = 4
_BROKEN = {"ChunkedEncodingError", "ReadError"}
# Names of errors after which a download goes on when it is called again: clients before 1.0 do not
# do so by themselves; later ones share their connections, and close them under a download when
# another one, given up but not over, meets an error.
_ASK = 0.2  # seconds between two questions whether to go on
_PATIENCE = 5  # seconds that a connection may take


def download(
    wanted: HubFile,
    by_hand: str,
    progress: ProgressFn | None = None,
    cancelled: Callable[[], bool] | None = None,
    sha256: str | None = None,
) -> Path:
    """The file in the client's cache, verified.

    Args:
        wanted: The file.
        by_hand: Advice for the message after a failure.
        progress: Progress callback, if the client supports one; otherwise it shows its own bar.
        cancelled: Asked several times a second, also while the network keeps the client waiting.
        sha256: Checksum of the file; by default the Hub's.

    Raises:
        HubError: If it cannot be had or verified.
        Cancelled: If `cancelled` says so. What was downloaded is kept for the next try.
    """
    try:
        import huggingface_hub  # noqa: F401 - sets up its logging, which is hushed next
    except ImportError as error:
        raise HubError(
            f"downloads need the package huggingface_hub ({error}): pip install huggingface_hub. "
            f"{by_hand}"
        ) from None
    forbidden = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    # Without a connection only the cache is used, as the client would retry for half a minute.
    offline = forbidden or _unreachable(wanted.url)
    try:
        with _hushed():
            if cancelled is None:
                path = _fetch(wanted, progress, offline=offline)
            else:
                path = _stoppable(
                    lambda report: _fetch(wanted, report, offline=offline), progress, cancelled
                )
            sha256 = sha256 or _stated_hash(path, wanted, offline=offline)
    except Exception as error:
        # Each version of the client has its own; what is none of these comes from our callbacks.
        own = type(error).__module__.startswith(_NETWORKING)
        if not own and not isinstance(error, OSError | ValueError):
            raise
        reason = _reason(error, offline=offline, forbidden=forbidden)
        raise HubError(f"{wanted.url}: {reason}. {by_hand}") from None
    try:
        verify(path, sha256, by_hand)
    except HubError:
        # Links to the wrong bytes are removed first, so that the cache cannot serve them.
        blob = path.parent / path.readlink() if path.is_symlink() else path
        for file in (path.resolve(), path, blob):
            file.unlink(missing_ok=True)
        raise
    return path


def _unreachable(url: str) -> bool:
    """Whether nobody takes a connection; a proxy, where there is one, is asked by the client."""
    parts = urlsplit(url)
    if getproxies().get(parts.scheme) and not proxy_bypass(parts.hostname or ""):
        return False
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 443)
    try:
        socket.create_connection((parts.hostname or "", port), _PATIENCE).close()
    except OSError:
        return True
    return False


@contextmanager
def _hushed() -> Iterator[None]:
    """Limits the client's log to errors in the block, as it logs several lines per failure."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    if not _log.isEnabledFor(logging.DEBUG):
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _fetch(wanted: HubFile, progress: ProgressFn | None, *, offline: bool) -> Path:
    from huggingface_hub import hf_hub_download

    options: dict[str, Any] = {
        "revision": wanted.revision,
        "endpoint": os.environ.get("HF_ENDPOINT") or None,
        "local_files_only": offline,
    }
    if progress and "tqdm_class" in inspect.signature(hf_hub_download).parameters:
        options["tqdm_class"] = _reporting_to(progress)
    for attempt in range(1, _TRIES + 1):
        try:
            return Path(hf_hub_download(wanted.repo, wanted.file, **options))
        except Exception as error:  # noqa: PERF203
            if type(error).__name__ not in _BROKEN or attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


def _reporting_to(progress: ProgressFn) -> type:
    from tqdm import tqdm

    class Reporting(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            progress(int(self.n), int(self.total or 0))
            return shown

    return Reporting


def _stoppable(
    work: Callable[[ProgressFn], Path],
    progress: ProgressFn | None,
    cancelled: Callable[[], bool],
) -> Path:
    """Runs `work` in a thread, because the client waits half a minute where nobody answers.

    `progress` and `cancelled` are called in this thread; a thread that is left behind ends at its
    next report.
    """
    outcome: Future[Path] = Future()
    stopped = Event()
    reports: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        if stopped.is_set():
            raise Cancelled("stopped on request")
        reports[:] = [(done, total)]

    def run() -> None:
        try:
            outcome.set_result(work(report))
        except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        done = False
        while not done:
            done = bool(wait((outcome,), _ASK).done)
            if not done and cancelled():
                raise Cancelled("stopped on request")
            if progress is not None and reports:
                progress(*reports[0])
    finally:
        stopped.set()
    return outcome.result()


def _stated_hash(path: Path, wanted: HubFile, *, offline: bool) -> str | None:
    """The sha256 that the Hub states for a file in the cache; None where it states none."""
    etag = None
    if path.is_symlink():
        # To blobs/<etag>. That may be a link too, to a store where names are hashes of another
        # kind: only the first link is followed.
        etag = path.readlink().name
    elif not offline:  # a file system without links, as on many Windows machines
        from huggingface_hub import get_hf_file_metadata

        etag = get_hf_file_metadata(wanted.url).etag
    return etag if etag and _SHA256.fullmatch(etag) else None


_REASONS = {
    "EntryNotFoundError": "the repository has no such file",
    "RemoteEntryNotFoundError": "the repository has no such file",
    "RevisionNotFoundError": "the repository has no such revision",
    "RepositoryNotFoundError": "there is no such repository, or it is private: set HF_TOKEN",
    "GatedRepoError": "the repository asks for consent: accept its terms and set HF_TOKEN",
}


def _reason(error: Exception, *, offline: bool, forbidden: bool) -> str:
    kind = type(error).__name__
    if forbidden:
        return "not in the cache, and HF_HUB_OFFLINE forbids the network; unset it once"
    if offline:
        return "not in the cache, and the server cannot be reached: check the network"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"cannot be downloaded: {error.strerror}"
    detail = str(error).strip().splitlines()
    cause = f"cannot be downloaded ({kind}{': ' + detail[0] if detail else ''})"
    return _REASONS.get(kind, cause)


def verify(path: Path, sha256: str | None, remedy: str) -> None:
    """Refuses a file of another hash; of None, none is expected.

    Raises:
        HubError: Which ends with `remedy`.
    """
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
