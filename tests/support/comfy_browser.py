"""ComfyUI's own frontend in headless Chromium."""

import base64
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.comfy_server import ComfyServer

NOT_FOUND = (
    "no Chromium found: install chromium and chromedriver (Debian: apt-get install chromium "
    "chromium-driver) and `pip install selenium`"
)
# Without these, Chromium asks its maker's servers at every start.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
_QUIET = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False}


def found_chromium() -> tuple[str, str] | None:
    """Chromium and its driver, or None."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return None
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Frontend:
    """A page of ComfyUI."""

    def __init__(self, driver: Any, server: ComfyServer) -> None:
        self.driver = driver
        self.server = server

    def open_template(self, name: str, timeout: float = 60) -> None:
        """Opens one of the pack's templates by its address, and waits until it is there."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.server.url}/?template={name}&source=kdsr")
        self.wait_for(
            f"return app.extensionManager.workflow.activeWorkflow?.filename.startsWith({name!r})"
            " && app.graph.nodes.length > 0",
            timeout,
        )

    def wait_for(self, script: str, timeout: float = 60) -> None:
        """Waits until JavaScript returns something true; errors count as false."""
        end = time.monotonic() + timeout
        while not self.driver.execute_script(f"try {{ {script} }} catch {{ return false }}"):
            assert time.monotonic() < end, f"not within {timeout} s: {script}"
            time.sleep(0.2)

    def nodes(self) -> list[dict[str, Any]]:
        """What the graph holds."""
        return self.driver.execute_script(
            "return app.graph.nodes.map(n => ({type: n.type, red: !!n.has_errors,"
            " known: n.type in LiteGraph.registered_node_types || n.type.includes('Note')}))"
        )

    def dialogs(self) -> list[str]:
        """The text of every open dialog."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('[role=dialog], [role=alertdialog]')]"
            ".filter(d => d.offsetParent !== null || d.getClientRects().length)"
            ".map(d => d.innerText)"
        )

    def prompt(self) -> dict[str, Any]:
        """What the frontend would send to the server."""
        return self.driver.execute_async_script(
            "app.graphToPrompt().then(p => arguments[0](p.output))"
        )

    def run(self, timeout: float = 60) -> None:
        """Queues the open workflow and waits until its pictures are shown."""
        self.driver.execute_script("app.queuePrompt(0)")
        self.wait_for(
            "return app.graph.nodes.filter(n => /^(Save|Preview)Image$/.test(n.type))"
            ".every(n => n.imgs?.length && n.imgs[0].complete)",
            timeout,
        )

    def fit(self) -> None:
        """Zooms so that the whole graph is seen."""
        self.driver.execute_script("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        time.sleep(1.5)  # an animation

    def focus(self, titles: list[str], scale: float = 1.25, margin: int = 16) -> dict[str, float]:
        """Moves nodes to the middle of the page; returns where they are, for `screenshot`."""
        box = self.driver.execute_script(
            """
            const [titles, scale, margin] = arguments
            const boxes = app.graph.nodes.filter(n => titles.includes(n.title)).map(n =>
                [n.pos[0], n.pos[1] - LiteGraph.NODE_TITLE_HEIGHT,
                 n.pos[0] + n.size[0], n.pos[1] + n.size[1]])
            if (boxes.length < titles.length) return null
            const edge = (k, pick) => pick(...boxes.map(b => b[k]))
            const [left, top] = [edge(0, Math.min) - margin, edge(1, Math.min) - margin]
            const [right, bottom] = [edge(2, Math.max) + margin, edge(3, Math.max) + margin]
            const ds = app.canvas.ds, page = app.canvas.canvas.getBoundingClientRect()
            const width = (right - left) * scale, height = (bottom - top) * scale
            const x = Math.max(80, (page.width - width) / 2)
            const y = Math.max(80, (page.height - height) / 2)
            ds.scale = scale
            ds.offset = [x / scale - left, y / scale - top]
            app.canvas.setDirty(true, true)
            return {x: page.left + x, y: page.top + y, width, height}
            """,
            titles,
            scale,
            margin,
        )
        assert box, f"no nodes called {titles}"
        time.sleep(1)  # until it is drawn
        return box

    def screenshot(self, path: Path, crop: dict[str, float] | None = None) -> None:
        """Writes a PNG of the page or of a part: x, y, width and height in CSS pixels."""
        options = {"format": "png", **({"clip": {**crop, "scale": 1}} if crop else {})}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def frontend(
    server: ComfyServer, width: int = 1700, height: int = 1000, **settings: Any
) -> Iterator[Frontend]:
    """Starts Chromium for a server; `settings` are ComfyUI's, with _ for the dots in names."""
    found = found_chromium()
    assert found, NOT_FOUND
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    named = {f"Comfy.{name.replace('_', '.')}": value for name, value in settings.items()}
    server.post("/settings", {**_QUIET, **named})
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*_FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(found[1]))
        try:
            driver.set_script_timeout(60)
            yield Frontend(driver, server)
        finally:
            driver.quit()


def as_json(prompt: dict[str, Any]) -> dict[str, Any]:
    """A prompt without what differs between writers: titles and the types of numbers."""
    bare = {
        node_id: {
            "class_type": node["class_type"],
            "inputs": {
                name: [str(value[0]), value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            },
        }
        for node_id, node in prompt.items()
    }
    return json.loads(json.dumps(bare))
