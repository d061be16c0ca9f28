"""Starts a real ComfyUI with this pack on a free port, in its own folder."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACK = Path(__file__).parents[1]
CACHE = Path.home() / ".cache" / "kdsr"
START_SECONDS = 600
NOT_FOUND = (
    "no ComfyUI found: set COMFYUI_DIR (folders, separated like PATH) and COMFYUI_PYTHON, "
    f"or put ComfyUI-* and comfy-venv into {CACHE}"
)


class NotStartedError(RuntimeError):
    """ComfyUI does not start even without this pack, so that its environment is at fault."""


def found_comfyuis() -> list[Path]:
    """Finds ComfyUI checkouts, oldest first."""
    named = os.environ.get("COMFYUI_DIR")
    folders = [Path(p) for p in named.split(os.pathsep)] if named else CACHE.glob("ComfyUI-*")
    found = [f.resolve() for f in folders if (f / "main.py").is_file()]
    return sorted(found, key=_version) if comfy_python() else []


def comfy_python() -> Path | None:
    """Finds the interpreter with ComfyUI's requirements, or None."""
    named = os.environ.get("COMFYUI_PYTHON")
    for candidate in [named] if named else [CACHE / "comfy-venv/bin/python"]:
        if Path(candidate).exists():
            return Path(candidate)
    return None


def _own_frontend(comfyui: Path) -> Path | None:
    """The frontend that a ComfyUI was released with, if it is unpacked.

    One environment serves several ComfyUIs but holds one frontend. Others are in
    ~/.cache/kdsr/frontend-VERSION, as the unpacked wheel of comfyui-frontend-package.
    """
    wanted = (comfyui / "requirements.txt").read_text(encoding="utf-8")
    version = wanted.partition("comfyui-frontend-package==")[2].partition("\n")[0].strip()
    static = CACHE / f"frontend-{version}" / "comfyui_frontend_package" / "static"
    return static if static.is_dir() else None


def newest_page(comfyui: Path) -> Path | None:
    """The newest unpacked frontend, unless it is this ComfyUI's own."""
    pages = sorted(
        CACHE.glob("frontend-*/comfyui_frontend_package/static"),
        key=lambda path: [
            int(n) for n in path.parents[1].name.removeprefix("frontend-").split(".")
        ],
    )
    return pages[-1] if pages and pages[-1] != _own_frontend(comfyui) else None


def _overlay(comfyui: Path) -> dict[str, str]:
    """Environment variables for packages that this ComfyUI needs in another version.

    They are in ~/.cache/kdsr/overlay-VERSION, from `pip install --no-deps --target`.
    """
    version = ".".join(str(part) for part in _version(comfyui))
    folder = CACHE / f"overlay-{version}"
    return {"PYTHONPATH": str(folder)} if folder.is_dir() else {}


def _version(folder: Path) -> tuple[int, ...]:
    text = (folder / "comfyui_version.py").read_text(encoding="utf-8").split('"')[1]
    return tuple(int(part) for part in text.split("."))


@dataclass
class ComfyServer:
    """A running ComfyUI."""

    comfyui: Path
    """Checkout of ComfyUI."""
    url: str
    base: Path
    """Base directory, with input, output, models and custom_nodes."""
    log_path: Path
    version: tuple[int, ...]
    process: subprocess.Popen

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> bytes:
        """Sends a GET request, as a browser would."""
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            return response.read()

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def post(self, path: str, data: Any) -> Any:
        """Sends a POST request with JSON; returns the answer, refusals (HTTP 400) too."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps(data).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            body = error.read()
            error.close()
        return json.loads(body) if body else None

    def object_info(self) -> dict[str, Any]:
        return self.get_json("/object_info")

    def queue(self, prompt: dict[str, Any]) -> str:
        """Queues an API-format prompt, which must have no errors; returns its id."""
        answer = self.post("/prompt", {"prompt": prompt, "client_id": "kdsr-tests"})
        assert not answer.get("node_errors"), json.dumps(answer["node_errors"], indent=1)
        assert "prompt_id" in answer, answer
        return answer["prompt_id"]

    def refusal(self, prompt: dict[str, Any]) -> str:
        """Queues a prompt that must be refused before it runs; returns the answer as text."""
        answer = self.post("/prompt", {"prompt": prompt, "client_id": "kdsr-tests"})
        assert answer.get("node_errors"), f"accepted: {answer}"
        return json.dumps(answer, ensure_ascii=False)

    def wait(self, prompt_id: str, timeout: float = 600) -> dict[str, Any]:
        """Waits for the end of a prompt, with success or not; returns its history entry."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            history = self.get_json(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]
            assert self.process.poll() is None, f"ComfyUI ended:\n{self.log[-3000:]}"
            time.sleep(0.1)
        raise AssertionError(f"the prompt took more than {timeout} s:\n{self.log[-3000:]}")

    def run(self, prompt: dict[str, Any], timeout: float = 600) -> dict[str, Any]:
        """Runs a prompt to its successful end; returns its history entry."""
        entry = self.wait(self.queue(prompt), timeout)
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"][-1]
        return entry

    def messages(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The server's last message of each kind of event."""
        return dict(entry["status"]["messages"])

    def saved(self, entry: dict[str, Any]) -> list[Path]:
        """Paths of the images that the prompt saved or previewed."""
        images = [i for out in entry["outputs"].values() for i in out.get("images", [])]
        return [self.base / i["type"] / i["subfolder"] / i["filename"] for i in images]


def start(comfyui: Path, base: Path, *options: str, pack: Path | None = PACK) -> ComfyServer:
    """Starts a ComfyUI that writes only into `base`; stop it with `stop`.

    Raises:
        NotStartedError: If a ComfyUI not named by COMFYUI_DIR fails even without the pack.
        AssertionError: If any other ComfyUI does not start.
    """
    server = _launch(comfyui, base, *options, pack=pack)
    if _answers(server):
        return server
    stop(server)
    if pack is not None and "COMFYUI_DIR" not in os.environ:
        alone = _launch(comfyui, base / "alone", pack=None)
        starts = _answers(alone)
        stop(alone)
        if not starts:
            raise NotStartedError(
                f"{comfyui} does not start, even without this pack:\n{alone.log[-300:]}"
            )
    raise AssertionError(f"ComfyUI {comfyui} did not start:\n{server.log[-3000:]}")


def _launch(comfyui: Path, base: Path, *options: str, pack: Path | None) -> ComfyServer:
    for folder in ("custom_nodes", "input", "output", "models", "user", "temp"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    if pack is not None and not (base / "custom_nodes" / "kdsr").exists():
        (base / "custom_nodes" / "kdsr").symlink_to(pack, target_is_directory=True)
    own = _own_frontend(comfyui)
    if own is not None:
        options = ("--front-end-root", str(own), *options)
    port = _free_port()
    log = base / "comfyui.log"
    python = comfy_python()
    assert python is not None
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [
                str(python), "main.py", "--cpu", "--port", str(port), "--disable-auto-launch",
                "--base-directory", str(base), "--database-url", "sqlite:///:memory:", *options,
            ],
            cwd=comfyui, stdout=sink, stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", **_overlay(comfyui)},
        )  # fmt: skip
    return ComfyServer(comfyui, f"http://127.0.0.1:{port}", base, log, _version(comfyui), process)


def _answers(server: ComfyServer) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.process.poll() is None:
        try:
            server.get("/system_stats")
        except OSError:  # noqa: PERF203 - it waits anyway
            time.sleep(0.2)
        else:
            return True
    return False


def stop(server: ComfyServer) -> None:
    """Ends a server."""
    server.process.terminate()
    try:
        server.process.wait(20)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
