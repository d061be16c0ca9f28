"""The real frontend in headless Chromium: every template opens whole, and one runs.

Set KDSR_SCREENSHOTS to a folder to keep the pictures of the basic workflow.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .comfy_server import ComfyServer
from .comfy_workflows import NAMES, ship_inputs

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
READY = "return !!(window.app && window.app.graph && window.app.extensionManager)"
# Opens a template as the Templates browser does: fetched from the server, loaded by the app.
OPEN = """
const [name, done] = arguments;
(async () => {
  const all = await (await fetch('/api/workflow_templates')).json();
  const pack = Object.keys(all).find(key => all[key].includes(name));
  if (!pack) return done({error: 'not offered: ' + JSON.stringify(all)});
  const file = await fetch(`/api/workflow_templates/${pack}/${name}.json`);
  await window.app.loadGraphData(await file.json(), true, true, name);
  const known = window.LiteGraph.registered_node_types;
  const nodes = window.app.graph._nodes;
  done({
    count: nodes.length,
    missing: nodes.filter(n => !(n.type in known) || n.has_errors).map(n => n.type),
    red: Object.keys(window.app.lastNodeErrors || {}),
  });
})().catch(e => done({error: String(e)}));
"""
QUEUE = """
const done = arguments[0];
window.app.queuePrompt(0).then(() => done(window.app.lastNodeErrors || {}), e => done(String(e)));
"""
FIT = """
for (const dialog of document.querySelectorAll('.p-dialog-mask, .p-toast')) dialog.remove();
const canvas = window.app.canvas, nodes = window.app.graph._nodes;
const left = Math.min(...nodes.map(n => n.pos[0])), top = Math.min(...nodes.map(n => n.pos[1]));
const right = Math.max(...nodes.map(n => n.pos[0] + n.size[0]));
const bottom = Math.max(...nodes.map(n => n.pos[1] + n.size[1]));
const ratio = window.devicePixelRatio;
const width = canvas.canvas.width / ratio - 140, height = canvas.canvas.height / ratio - 190;
const scale = Math.min(1.2, width / (right - left), height / (bottom - top));
canvas.ds.scale = scale;
canvas.ds.offset[0] = -left + 100 / scale;
canvas.ds.offset[1] = -top + 140 / scale;
canvas.setDirty(true, true);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no browser found: install the packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
        "disable-background-networking", "disable-component-update", "window-size=1600,900",
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, comfy: ComfyServer) -> Any:
    ship_inputs(comfy)
    browser.get(comfy.url)
    until(lambda: browser.execute_script(READY), 60)
    time.sleep(1)  # extensions register their nodes
    return browser


def until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the page did not get ready"
        time.sleep(0.2)


def keep(page: Any, comfy: ComfyServer, name: str) -> None:
    folder = os.environ.get("KDSR_SCREENSHOTS")
    if folder:
        version = ".".join(map(str, comfy.version))
        page.save_screenshot(str(Path(folder) / f"{name}-{version}.png"))


@pytest.mark.comfy
def test_every_template_opens_without_a_missing_or_red_node(page: Any, comfy: ComfyServer) -> None:
    for name in NAMES:
        seen = page.execute_async_script(OPEN, name)
        assert "error" not in seen, f"{name}: {seen}"
        assert seen["count"] > 1, f"{name} opened empty"
        assert seen["missing"] == [], f"{name}: {seen['missing']}"
        assert seen["red"] == [], f"{name}: {seen['red']}"


@pytest.mark.comfy
def test_the_basic_workflow_runs_from_the_page(page: Any, comfy: ComfyServer) -> None:
    page.execute_async_script(OPEN, "basic_x4")
    page.execute_script(FIT)
    time.sleep(2)
    keep(page, comfy, "before")
    before = set(comfy.get_json("/history"))
    errors = page.execute_async_script(QUEUE)
    assert errors == {}, json.dumps(errors)
    until(lambda: set(comfy.get_json("/history")) - before, 120)
    (prompt,) = set(comfy.get_json("/history")) - before
    entry = comfy.get_json(f"/history/{prompt}")[prompt]
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"][-1]
    time.sleep(3)
    page.execute_script(FIT)
    time.sleep(1)
    keep(page, comfy, "after")
    assert page.execute_script("return Object.keys(window.app.lastNodeErrors || {}).length") == 0
