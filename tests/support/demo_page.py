"""Controls the demo page in Chromium, on a server of this machine."""

import base64
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kdsr.exports.demo_page import ADDRESS, make_server
from tools.chromium import chromium


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serves a folder like `kdsr demo --serve`; yields the address."""
    with make_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class DemoPage:
    """A user's actions on the page."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        self.address = address

    def load(self, device: str) -> None:
        """Reloads the page and waits for its networks.

        Args:
            device: "wasm" or "webgpu".
        """
        self.driver.get(f"{self.address}?device={device}")
        self.wait(lambda: self.status.startswith("Ready"))

    def drop(self, picture: Path) -> None:
        """Selects a file and waits for the result."""
        self._element("file").send_keys(str(picture))
        self.wait(self._is_done)

    def set_strength(self, strength: float) -> None:
        """Moves the slider and waits for the result."""
        self.driver.execute_script(
            "strength.value = arguments[0]; document.getElementById('status').textContent = '';"
            "strength.oninput({target: strength}); strength.onchange()",
            strength,
        )
        self.wait(self._is_done)

    def set_split(self, percent: float) -> None:
        """Moves the line between before and after."""
        self.driver.execute_script(
            "split.value = arguments[0]; split.dispatchEvent(new Event('input'))", percent
        )

    def wait(self, done: Any, timeout: float = 240) -> None:
        """Waits for a condition; errors on the page fail the test."""
        end = time.monotonic() + timeout
        while not done():
            assert "error" not in self._element("status").get_attribute("class"), self.status
            assert time.monotonic() < end, f"not within {timeout} s; the page says: {self.status}"
            time.sleep(0.1)

    @property
    def status(self) -> str:
        return self._element("status").text

    @property
    def reading(self) -> str:
        return self._element("reading").text

    def result(self) -> np.ndarray:
        """The upscaled picture, (H, W, 3), 0-255."""
        url = self.driver.execute_script("return after.toDataURL('image/png')")
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
            return np.asarray(image.convert("RGB"), np.float32)

    def screenshot(self) -> Image.Image:
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")

    def _is_done(self) -> bool:
        return self.status.endswith(" s.")

    def _element(self, name: str) -> Any:
        return self.driver.find_element("id", name)


@contextmanager
def demo_page(folder: Path, *flags: str) -> Iterator[DemoPage]:
    """Opens Chromium for the page in a folder, which is not loaded yet; `flags` are Chromium's."""
    with serving(folder) as address, chromium(900, 900, *flags) as driver:
        yield DemoPage(driver, address)
