"""The Hub through its real client, against a server on localhost that speaks its protocol."""

import gc
import hashlib
import inspect
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download, hf_hub_download

import kdsr
from kdsr import HubError
from kdsr.files.catalog import CATALOG, WEIGHTS, CatalogEntry, default_folder, list_models, resolve
from kdsr.files.hub_client import HubFile, _stoppable
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.hub_server import COMMIT, HubServer, serving

# The client leaves sockets to the garbage collector where a download ends early.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
FILE = "x4/tiny.safetensors"
REPORTS = "tqdm_class" in inspect.signature(hf_hub_download).parameters  # not in older clients


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("hub") / "tiny.safetensors"
    save_checkpoint(make_tiny(), path)
    return path.read_bytes()


@pytest.fixture
def hub(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serving(HubServer({FILE: content})) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("KDSR_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        # Read when the client is imported, so set where it keeps them.
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield server
        # Here, where they are expected, and not in somebody else's test.
        gc.collect()


def entry(content: bytes, **changes: object) -> CatalogEntry:
    values: dict = {
        "name": "tiny", "repo": "someone/models", "file": FILE, "revision": COMMIT,
        "sha256": hashlib.sha256(content).hexdigest(), "licence": "Apache-2.0", "scale": 4,
        "purpose": "tests", "degradations": "none",
    }  # fmt: skip
    return CatalogEntry(**{**values, **changes})


def gets(hub: HubServer) -> list[str | None]:
    """Range headers of all downloads so far."""
    return [wanted for method, _, wanted in hub.requests if method == "GET"]


def test_a_model_is_downloaded_once_verified_and_found_locally_after(
    hub: HubServer, content: bytes
) -> None:
    path = resolve("tiny", entries=[entry(content)])
    assert path == default_folder() / "tiny.safetensors"
    assert path.read_bytes() == content
    asked = len(hub.requests)
    assert resolve("tiny", entries=[entry(content)]) == path
    assert len(hub.requests) == asked
    assert [p.name for p in path.parent.iterdir()] == ["tiny.safetensors"]


def test_every_request_names_the_pinned_revision(hub: HubServer, content: bytes) -> None:
    resolve("tiny", entries=[entry(content)])
    assert all(f"/resolve/{COMMIT}/" in path for _, path, _ in hub.requests)


def test_an_address_loads_as_a_model(hub: HubServer) -> None:
    model = kdsr.load(f"hf://someone/models/{FILE}@{COMMIT}")
    assert model.weights_hash() == make_tiny().weights_hash()


@pytest.mark.parametrize("pinned", [True, False])
def test_wrong_bytes_are_refused_and_not_kept(
    hub: HubServer, content: bytes, tmp_path: Path, pinned: bool
) -> None:
    hub.lie = content[:-1] + bytes([content[-1] ^ 1])
    source = "tiny" if pinned else f"hf://someone/models/{FILE}"
    with pytest.raises(HubError, match="not the expected file"):
        resolve(source, entries=[entry(content)])
    assert not list(tmp_path.rglob("tiny.safetensors"))
    hub.lie = None  # the next try is not served from a spoilt cache
    assert resolve("tiny", entries=[entry(content)]).read_bytes() == content


BIG = bytes(range(256)) * 100_000  # more than the pieces of 10 MB that the client writes
CUT = 14_000_000


def test_a_download_that_breaks_off_for_good_is_an_error_and_the_next_try_succeeds(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.files[FILE] = BIG
    hub.cut_after = [CUT, *[0] * 12]  # more often than the client retries
    address = f"{hub.url}/someone/models/resolve/{COMMIT}/{FILE}"
    with pytest.raises(HubError, match=rf"^{address}: cannot be downloaded \(\w+: .+\)\. Or fetch"):
        resolve("tiny", entries=[entry(BIG)])
    assert not list((tmp_path / "home").rglob("*.safetensors"))
    hub.cut_after = []
    before = len(gets(hub))
    assert resolve("tiny", entries=[entry(BIG)]).read_bytes() == BIG
    # Clients up to 1.x go on from the part they kept; newer ones start again.
    assert gets(hub)[before:] in ([None], ["bytes=10485760-"])


def test_an_interrupted_download_resumes_within_one_call(hub: HubServer) -> None:
    hub.files[FILE] = BIG
    hub.cut_after = [CUT]
    assert resolve("tiny", entries=[entry(BIG)]).read_bytes() == BIG
    assert gets(hub)[-1] == "bytes=10485760-"


def test_blobs_in_a_shared_store_are_verified_by_the_name_that_the_hub_gave(
    hub: HubServer, content: bytes, tmp_path: Path
) -> None:
    # Clients that share blobs between repositories link blobs/<sha256> on to a store whose names
    # are hashes of another kind.
    source = f"hf://someone/models/{FILE}@{COMMIT}"
    blob = resolve(source).resolve()
    stored = tmp_path / "store" / ("0" * 64)
    stored.parent.mkdir()
    blob.rename(stored)
    blob.symlink_to(stored)
    assert resolve(source).read_bytes() == content
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(HubError, match="not the expected file"):
        resolve(source)
    assert not stored.exists()
    assert resolve(source).read_bytes() == content


def test_without_links_the_hash_is_asked_of_the_hub(
    hub: HubServer, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_download, "are_symlinks_supported", lambda *_: False)
    hub.lie = content[:-1] + bytes([content[-1] ^ 1])
    source = f"hf://someone/models/{FILE}@{COMMIT}"
    with pytest.raises(HubError, match="not the expected file"):
        resolve(source)
    hub.lie = None
    path = resolve(source)
    assert not path.is_symlink()
    assert path.read_bytes() == content


def test_redirects_are_followed(hub: HubServer, content: bytes) -> None:
    hub.redirect = True
    assert resolve("tiny", entries=[entry(content)]).read_bytes() == content
    assert any(path.startswith("/cdn/") for _, path, _ in hub.requests)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("hf://someone/models/none.safetensors", "no such file"),
        (f"hf://someone/models/{FILE}@gone", "no such revision"),
        (f"hf://nobody/models/{FILE}", "no such repository"),
    ],
)
def test_what_is_not_there_is_named_with_url_and_folder(
    hub: HubServer, source: str, reason: str
) -> None:
    with pytest.raises(HubError, match=reason) as caught:
        resolve(source)
    assert hub.url in str(caught.value)
    assert str(default_folder()) in str(caught.value)


def test_a_token_is_sent(hub: HubServer, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_secret"
    with pytest.raises(HubError, match="set HF_TOKEN"):
        resolve("tiny", entries=[entry(content)])
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert resolve("tiny", entries=[entry(content)]).read_bytes() == content


def test_offline_works_with_a_cache_and_explains_itself_without(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = f"hf://someone/models/{FILE}@{COMMIT}"
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids the network"):
        resolve(source)
    assert hub.requests == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    path = resolve(source)
    asked = len(hub.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert resolve(source) == path
    assert len(hub.requests) == asked


CANCELLED = """
import time
from kdsr.errors import Cancelled
from kdsr.files.catalog import resolve

started = time.monotonic()
try:
    resolve("hf://someone/models/a.safetensors", cancelled=lambda: time.monotonic() > started + 0.5)
except Cancelled:
    print(time.monotonic() - started)
"""


def test_a_download_stops_long_before_the_client_gives_up_waiting_for_the_network(
    tmp_path: Path,
) -> None:
    # In a process of its own: the client's thread goes on asking, and logs it. It must not keep
    # the process alive.
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and never answers
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ran = subprocess.run(
            [sys.executable, "-c", CANCELLED],
            env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path),
                 "KDSR_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        silent.setblocking(False)
        silent.accept()[0].close()  # it did call
    assert 0.5 < float(ran.stdout) < 8


def test_reports_arrive_while_the_work_goes_on_and_silence_is_none(tmp_path: Path) -> None:
    def work(report: Callable[[int, int], None]) -> Path:
        time.sleep(0.5)
        report(1, 3)
        time.sleep(0.5)
        report(3, 3)
        return tmp_path

    seen: list[tuple[int, int]] = []
    assert _stoppable(work, lambda *step: seen.append(step), lambda: False) == tmp_path
    assert seen[0] == (1, 3)
    assert seen[-1] == (3, 3)
    assert _stoppable(work, None, lambda: False) == tmp_path


@pytest.mark.parametrize("more", [{}, {"cancelled": lambda: False}], ids=["plain", "cancellable"])
def test_progress_is_reported_whether_a_download_may_be_cancelled_or_not(
    hub: HubServer, content: bytes, more: dict
) -> None:
    seen: list[tuple[int, int]] = []
    path = resolve(
        "tiny", progress=lambda *step: seen.append(step), entries=[entry(content)], **more
    )
    assert path.read_bytes() == content
    assert seen[-1:] == ([(len(content), len(content))] if REPORTS else [])
    with pytest.raises(HubError, match="no such file"):
        resolve(f"hf://someone/models/none{FILE}", **more)


def test_a_missing_client_is_named(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match=r"pip install huggingface_hub\..*Or fetch"):
        resolve(f"hf://someone/models/{FILE}")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://nobody.invalid"])
def test_no_network_is_said_at_once_in_one_line(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], address: str
) -> None:
    source = f"hf://someone/models/{FILE}@{COMMIT}"
    cached = resolve(source)
    monkeypatch.setenv("HF_ENDPOINT", address)
    started = time.monotonic()
    with pytest.raises(HubError, match=f"{address}/other.*cannot be reached: check the network"):
        resolve(f"hf://other/models/{FILE}")
    assert resolve(source) == cached, "what is in the cache needs no network"
    assert time.monotonic() - started < 10
    assert capfd.readouterr() == ("", "")


def test_a_file_put_there_by_hand_is_used_if_it_is_the_right_one(
    hub: HubServer, content: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "kdsr"
    folder.mkdir(parents=True)
    (folder / "tiny.safetensors").write_bytes(content)
    assert resolve("tiny", [folder], entries=[entry(content)]) == folder / "tiny.safetensors"
    (folder / "tiny.safetensors").write_bytes(b"something else")
    with pytest.raises(HubError, match="not the expected file"):
        resolve("tiny", [folder], entries=[entry(content)])
    assert hub.requests == []


@pytest.mark.parametrize(
    "text",
    [
        "hf://a/b", "hf://a/b/c.pt", "hf://../b/c.safetensors", "hf://a/b/c.safetensors@", "hf://",
        "a/b/../c.safetensors", "a/b//c.safetensors", "jürgen/b/c.safetensors",
        "a--b/c/d.safetensors", ".a/b/c.safetensors", "a/b/c.safetensors@../../x",
        "a/b/c.safetensors@x/../y", "a/b/c.safetensors@/x", "a/b/c.safetensors@é", " ",
    ],
)  # fmt: skip
def test_addresses_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(HubError, match="cannot read"):
        HubFile.parse(text)


def test_an_address_has_a_default_revision() -> None:
    assert HubFile.parse("a/b/d/c.safetensors") == HubFile("a/b", "d/c.safetensors", "main")
    for revision in ("v1.0", "refs/pr/1", COMMIT, "feature-x"):
        assert HubFile.parse(f"hf://a/b/c.safetensors@{revision}").revision == revision


def test_a_path_is_taken_as_it_is_and_downloads_go_into_the_cache_of_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kdsr-s-x4").write_bytes(b"a file that is named like a model")
    assert resolve(str(tmp_path / "kdsr-s-x4")) == tmp_path / "kdsr-s-x4"
    monkeypatch.delenv("KDSR_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert default_folder() == tmp_path / ".cache" / "kdsr" / "models"


def test_a_name_of_the_catalog_wins_over_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("kdsr-s-x4", "mine"):
        Path(name).write_bytes(b"another file")
    assert resolve("kdsr-s-x4") == WEIGHTS / "kdsr-s-x4.safetensors"
    assert resolve("./kdsr-s-x4") == Path("kdsr-s-x4")
    assert resolve("mine") == Path("mine")


def test_an_unknown_name_lists_the_names_there_are() -> None:
    with pytest.raises(HubError, match=r"unknown model 'kdrs'.*kdsr-s-x4"):
        resolve("kdrs")


@pytest.mark.parametrize("model", list_models(), ids=lambda m: m.name)
def test_the_catalog_lists_only_what_exists(model: CatalogEntry) -> None:
    assert model.licence
    assert model.degradations
    assert model.purpose
    if model.bundled:
        data = model.path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == model.sha256
        loaded = kdsr.load(model.name)
        assert loaded.config.scale == model.scale
        assert loaded.metadata["name"] == model.name
    else:
        assert model.revision is not None
        assert len(model.revision) == 40, "pin a commit, not a branch"


def test_every_bundled_file_is_in_the_catalog() -> None:
    listed = {model.file for model in list_models() if model.bundled}
    assert {path.name for path in WEIGHTS.parent.glob("weights*/*.safetensors")} == listed
    names = json.loads(CATALOG.read_text(encoding="utf-8"))
    assert len({name["name"] for name in names}) == len(names)
