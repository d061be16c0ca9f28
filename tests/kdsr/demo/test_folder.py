import http.client
import threading
from pathlib import Path

import pytest

from kdsr.cli import main
from kdsr.exports import demo_page as demo
from kdsr.exports.demo_page import PAGE, RUNTIME, demo_files, has_runtime, make_server, write_demo
from tests.conftest import make_tiny


@pytest.fixture(autouse=True)
def _export_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real export is for test_browser.py: it takes seconds."""

    def export(_: object, path: Path, **__: object) -> None:
        for name in demo.pair_paths(path):
            name.parent.mkdir(exist_ok=True)
            name.write_text("exported")

    monkeypatch.setattr(demo, "export_pair", export)


def test_the_folder_holds_the_page_and_its_networks(tmp_path: Path) -> None:
    write_demo(make_tiny(), tmp_path / "new")
    written = set((tmp_path / "new").iterdir())
    assert written == set(demo_files(tmp_path / "new"))
    names = {path.name for path in written}
    assert names >= {"index.html", "worker.js", "model.json", "model.network.onnx"}
    assert (tmp_path / "new/index.html").read_bytes() == (PAGE / "index.html").read_bytes()


def test_the_page_names_the_version_that_the_command_names() -> None:
    assert f"npm install {RUNTIME}\n" in (PAGE / "worker.js").read_text(encoding="utf-8")


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for source in PAGE.iterdir():
        assert "//" not in source.read_text(encoding="utf-8").replace("// ", ""), source.name


def test_the_command_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "site"
    assert main(["demo", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert f"npm install --prefix {folder} {RUNTIME}" in shown
    runtime = folder / "node_modules/onnxruntime-web/dist/ort.webgpu.min.mjs"
    runtime.parent.mkdir(parents=True)
    runtime.touch()
    assert has_runtime(folder)
    assert main(["demo", str(folder), "--overwrite"]) == 0
    assert "npm" not in capsys.readouterr().out


def test_what_is_there_is_not_replaced_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.html").write_text("mine")
    assert main(["demo", str(tmp_path)]) == 2
    assert "index.html exists; add --overwrite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert main(["demo", str(tmp_path), "--overwrite"]) == 0
    assert "mine" not in (tmp_path / "index.html").read_text()


def test_a_page_that_was_written_before_is_served_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", str(tmp_path)]) == 0
    (tmp_path / "style.css").write_text("body { color: red }")
    assert main(["demo", str(tmp_path)]) == 0
    assert "--overwrite makes it anew" in capsys.readouterr().out
    assert "red" in (tmp_path / "style.css").read_text()


def test_the_server_sends_what_browsers_insist_on(tmp_path: Path) -> None:
    (tmp_path / "a.mjs").write_text("1")
    (tmp_path / "b.wasm").write_bytes(b"")
    with make_server(tmp_path, 0) as server:
        threading.Thread(target=server.serve_forever).start()
        found = {}
        for name in ("a.mjs", "b.wasm"):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request("GET", f"/{name}")
            with connection.getresponse() as answer:
                found[name] = dict(answer.getheaders())
            connection.close()
        server.shutdown()
    assert found["a.mjs"]["Content-type"].startswith("text/javascript")
    assert found["b.wasm"]["Content-type"] == "application/wasm"
    for headers in found.values():
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert server.server_address[0] == "127.0.0.1"
