"""Controls ComfyUI's own frontend in headless Chromium."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.chromium import chromium
from tools.comfy_server import ComfyServer

RUN_BUTTON = "[data-testid=queue-button], .comfyui-queue-button .p-splitbutton-button"
_QUIET = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False}


class Frontend:
    """An open page of ComfyUI."""

    def __init__(self, driver: Any, server: ComfyServer) -> None:
        self.driver = driver
        self.server = server

    def load(self, timeout: float = 300) -> None:
        """Reloads the page; waits until the pack's nodes and the first graph are loaded.

        The page restores its last graph, which would replace anything loaded before that.
        """
        self.leave()
        self.driver.get(self.server.url)
        self.wait_for("return !!LiteGraph.registered_node_types.KDSR_Load && !!app.graph", timeout)
        self.wait_for("return !!app.extensionManager.workflow.activeWorkflow", timeout)

    def stay(self) -> None:
        """Loads the page unless it is already open, as loading takes longer than most tests."""
        if not self.driver.current_url.startswith(self.server.url):
            self.load()

    def leave(self) -> None:
        """Opens an empty page, and waits until it is loaded.

        ComfyUI's page changes the part of its address after # now and then. The driver mistakes
        this for the end of a page load, drops the next command and waits until its timeout.
        """
        self.driver.get("about:blank")
        self.wait_for("return location.href === 'about:blank'")

    def open_template(self, name: str, timeout: float = 120) -> None:
        """Opens one of the pack's templates in the same way as the template browser."""
        self.stay()
        failed = self.driver.execute_async_script(
            """
            const [name, done] = arguments
            fetch(`/api/workflow_templates/kdsr/${encodeURIComponent(name)}.json`)
                .then(answer => answer.json())
                .then(flow => app.loadGraphData(flow, true, true, name, {openSource: 'template'}))
                .then(() => done(null), error => done(String(error)))
            """,
            name,
        )
        assert failed is None, failed
        self.wait_for(
            f"return app.extensionManager.workflow.activeWorkflow?.filename.startsWith({name!r})"
            " && app.graph.nodes.length > 0",
            timeout,
        )

    def wait_for(self, script: str, timeout: float = 120) -> None:
        """Waits until JavaScript returns a true value; errors count as false."""
        end = time.monotonic() + timeout
        while not self.driver.execute_script(f"try {{ {script} }} catch {{ return false }}"):
            assert time.monotonic() < end, f"not within {timeout} s: {script}"
            time.sleep(0.2)

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes of the graph: type, whether marked as an error, whether known."""
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

    def click_in_dialog(self, text: str, timeout: float = 120) -> None:
        """Clicks the element of a dialog with exactly this text."""
        from selenium.webdriver.common.by import By

        path = f"//*[@role='dialog']//*[normalize-space(.)='{text}']"
        end = time.monotonic() + timeout
        while not (found := self.driver.find_elements(By.XPATH, path)):
            assert time.monotonic() < end, f"no {text!r} in {self.dialogs()}"
            time.sleep(0.5)
        found[-1].click()

    def add_by_search(self, name: str) -> None:
        """Adds a subgraph by the search box, as a double click on the canvas opens it."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        canvas = self.driver.find_element(By.ID, "graph-canvas")
        place = ActionChains(self.driver).move_to_element_with_offset(canvas, 0, 250)
        focused = lambda: self.driver.switch_to.active_element  # noqa: E731 - gets the keys
        for _ in range(5):  # a page that is still loading loses clicks and letters
            place.double_click().perform()
            place = ActionChains(self.driver).move_to_element_with_offset(canvas, 0, 250)
            if not within(10, lambda: focused().tag_name == "input"):
                continue
            focused().send_keys(name)
            if within(30, lambda: name in self.driver.execute_script(_TEXT)):
                focused().send_keys(Keys.ENTER)
                if within(20, lambda: self.driver.execute_script(_HAS_SUBGRAPH)):
                    break
            focused().send_keys(Keys.ESCAPE)
        self.wait_for(_HAS_SUBGRAPH)
        place.click().perform()  # newer frontends attach it to the pointer until the next click

    def prompt(self) -> dict[str, Any]:
        """The prompt that the frontend would send to the server."""
        return self.driver.execute_async_script(
            "app.graphToPrompt().then(p => arguments[0](p.output))"
        )

    def run(self, timeout: float = 600) -> dict[str, Any]:
        """Presses the Run button and waits until the results are shown; returns the history entry.

        A refused prompt or an error while it runs fails the test.
        """
        known = set(self.server.get_json("/history"))
        self.press_run()
        end = time.monotonic() + timeout
        while not (new := set(self.server.get_json("/history")) - known):
            refused = self.driver.execute_script("return app.lastNodeErrors")
            assert not refused, refused
            assert time.monotonic() < end, f"not run within {timeout} s; open: {self.dialogs()}"
            time.sleep(0.2)
        entry = self.server.get_json("/history")[new.pop()]
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"][-1]
        self.fit()  # the page loads only visible results
        try:
            self.wait_for(_PICTURES_SHOWN, timeout)
            self.wait_for(_VIDEOS_SHOWN, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.driver.execute_script(_KNOWN)}") from error
        return entry

    def press_run(self) -> None:
        """Clicks the button called Run (Queue in other versions and languages)."""
        from selenium.webdriver.common.by import By

        buttons = self.driver.find_elements(By.CSS_SELECTOR, RUN_BUTTON)
        assert buttons, "the page has no Run button"
        buttons[0].click()

    def use_vue_nodes(self, on: bool) -> None:
        """Chooses between the classic canvas and the Vue nodes of newer versions."""
        self.driver.execute_async_script(
            "app.extensionManager.setting.set('Comfy.VueNodes.Enabled', arguments[0])"
            ".then(() => arguments[1]())",
            on,
        )

    def boxes(self) -> dict[str, tuple[float, float, float, float]]:
        """Boxes of the nodes on the canvas: left, top (with title), right and bottom, by id."""
        found = self.driver.execute_script(
            """
            const canvas = app.canvas.canvas.getBoundingClientRect(), ds = app.canvas.ds
            const x = shown => (shown - canvas.left) / ds.scale - ds.offset[0]
            const y = shown => (shown - canvas.top) / ds.scale - ds.offset[1]
            const box = node => {
                const drawn = LiteGraph.vueNodesMode
                    && document.querySelector(`[data-node-id="${node.id}"]`)
                        ?.getBoundingClientRect()
                if (drawn) return [x(drawn.left), y(drawn.top), x(drawn.right), y(drawn.bottom)]
                const [[left, top], [width, height]] = [node.pos, node.size]
                return [left, top - LiteGraph.NODE_TITLE_HEIGHT, left + width, top + height]
            }
            return Object.fromEntries(app.graph.nodes.map(node => [node.id, box(node)]))
            """
        )
        return {node: tuple(box) for node, box in found.items()}

    def slide(self, share: float) -> float:
        """Moves the pointer to a share of the node Compare's width; returns its line's share."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By

        frame = self.driver.find_element(By.CSS_SELECTOR, ".kdsr-compare")
        # Selenium's own size ignores the zoom of the canvas.
        width = self.driver.execute_script(
            "return arguments[0].getBoundingClientRect().width", frame
        )
        mouse = ActionChains(self.driver)
        mouse.move_to_element_with_offset(frame, round(width * (share - 0.5)), 0).perform()
        line = frame.find_element(By.CSS_SELECTOR, ".line")
        at = self.driver.execute_script("return arguments[0].style.left", line)
        return float(at.removesuffix("%")) / 100

    def fit(self) -> None:
        """Zooms to show the whole graph."""
        self.driver.execute_script("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.settle()

    def settle(self) -> None:
        """Waits until neither the view nor a node moves or grows for a third of a second."""
        self.driver.execute_async_script(
            """
            const done = arguments[0]
            let last, same = 0
            const look = () => {
                const {scale, offset} = app.canvas.ds
                const drawn = [...document.querySelectorAll('[data-node-id]')].map(element => {
                    const {left, top, width, height} = element.getBoundingClientRect()
                    return [left, top, width, height]
                })
                const sizes = app.graph.nodes.map(node => [...node.pos, ...node.size])
                const now = JSON.stringify([scale, ...offset, drawn, sizes])
                same = now === last ? same + 1 : 0
                last = now
                if (same < 20) requestAnimationFrame(look)
                else done()
            }
            look()
            """
        )

    def focus(self, titles: list[str], scale: float = 1.25, margin: int = 16) -> dict[str, float]:
        """Moves nodes to the middle of the page; returns their rectangle, for `screenshot`.

        The scale is reduced if they do not fit.
        """
        script = """
            const [titles, largest, margin] = arguments
            const boxes = app.graph.nodes.filter(n => titles.includes(n.title)).map(n =>
                [n.pos[0], n.pos[1] - LiteGraph.NODE_TITLE_HEIGHT,
                 n.pos[0] + n.size[0], n.pos[1] + n.size[1]])
            if (boxes.length < titles.length) return null
            const edge = (k, pick) => pick(...boxes.map(b => b[k]))
            const [left, top] = [edge(0, Math.min) - margin, edge(1, Math.min) - margin]
            const [right, bottom] = [edge(2, Math.max) + margin, edge(3, Math.max) + margin]
            const ds = app.canvas.ds, page = app.canvas.canvas.getBoundingClientRect()
            const [wide, high] = [page.width - 160, page.height - 160]
            const scale = Math.min(largest, wide / (right - left), high / (bottom - top))
            const width = (right - left) * scale, height = (bottom - top) * scale
            const x = Math.max(80, (page.width - width) / 2)
            const y = Math.max(80, (page.height - height) / 2)
            ds.scale = scale
            ds.offset = [x / scale - left, y / scale - top]
            app.canvas.setDirty(true, true)
            return [scale, {x: page.left + x, y: page.top + y, width, height}]
            """
        for _ in range(10):  # the page may still be moving to a graph that was opened
            found = self.driver.execute_script(script, titles, scale, margin)
            assert found, f"no nodes called {titles}"
            self.settle()
            if self.driver.execute_script("return app.canvas.ds.scale") == found[0]:
                return found[1]
        raise AssertionError("the page does not stay where it is put")

    def screenshot(self, path: Path, crop: dict[str, float] | None = None) -> None:
        """Writes a PNG of the page, or of a part (x, y, width and height in CSS pixels)."""
        options = {"format": "png", **({"clip": {**crop, "scale": 1}} if crop else {})}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path.write_bytes(base64.b64decode(shot["data"]))


# Vue nodes with several pictures hold them on the page only.
_PICTURES_SHOWN = """
const drawn = n => document.querySelector(`[data-node-id='${n.id}'] img`)
return app.graph.nodes.filter(n => /^(Save|Preview)Image$/.test(n.type))
    .every(n => (n.imgs?.[0] ?? drawn(n))?.complete)
"""
_VIDEOS_SHOWN = """
const videos = [...document.querySelectorAll('video')]
return videos.length >= app.graph.nodes.filter(n => n.type === 'SaveVideo').length
    && videos.every(v => v.readyState > 0)
"""
# State of the page, for messages about missing results.
_KNOWN = """
return {outputs: Object.keys(app.nodeOutputs), socket: app.api?.socket?.readyState,
    view: [app.canvas.ds.scale, ...app.canvas.ds.offset]}
"""
_TEXT = "return document.body.innerText"
_HAS_SUBGRAPH = "return app.graph.nodes.some(n => n.isSubgraphNode?.())"


def within(seconds: float, happens: Callable[[], bool]) -> bool:
    """Waits until a function returns true; returns whether it did in time."""
    end = time.monotonic() + seconds
    while not (happened := happens()) and time.monotonic() < end:
        time.sleep(0.2)
    return happened


@contextmanager
def frontend(
    server: ComfyServer, width: int = 1700, height: int = 1000, **settings: Any
) -> Iterator[Frontend]:
    """Opens Chromium for a server; `settings` are ComfyUI's, with _ for dots in their names."""
    named = {f"Comfy.{name.replace('_', '.')}": value for name, value in settings.items()}
    server.post("/settings", {**_QUIET, **named})
    try:
        with chromium(width, height) as driver:
            yield Frontend(driver, server)
    finally:
        server.post("/settings", _QUIET)


def as_json(prompt: dict[str, Any]) -> dict[str, Any]:
    """A prompt without differences between writers, which are titles and types of numbers."""
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
