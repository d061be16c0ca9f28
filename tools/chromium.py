"""Starts headless Chromium, which contacts no servers but those of the tests."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NOT_FOUND = (
    "no Chromium found: install chromium and chromedriver (Debian: apt-get install chromium "
    "chromium-driver) and `pip install selenium`"
)
# Without these flags, Chromium contacts Google's servers at every start.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
WEBGPU_BY_CPU = (
    "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan,WebGPU", "--ignore-gpu-blocklist",
)  # fmt: skip
"""Flags that let machines without a graphics card run WebGPU, slowly."""


def found_chromium() -> tuple[str, str] | None:
    """Paths of Chromium and its driver, or None."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return None
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def chromium(width: int, height: int, *flags: str) -> Iterator[Any]:
    """Starts Chromium with a window of a size in pixels and a new profile; yields its driver."""
    found = found_chromium()
    assert found, NOT_FOUND
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    with tempfile.TemporaryDirectory() as profile:
        sized = (f"--window-size={width},{height}", f"--user-data-dir={profile}")
        for flag in (*_FLAGS, *(flags or ("--disable-gpu",)), *sized):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(found[1]))
        try:
            driver.set_script_timeout(300)
            yield driver
        finally:
            driver.quit()
