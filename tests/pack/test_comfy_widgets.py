"""What the pack adds to ComfyUI's page: buttons, file names, colours, words."""

# ruff: noqa: F811 - fixtures

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import make_tiny
from tests.pack.test_comfy_browser import canvas, page  # noqa: F401
from tests.support.comfy_browser import Frontend

pytestmark = pytest.mark.comfy


def only(page: Frontend, *node_types: str) -> None:
    """Leaves nothing on the canvas but new nodes of these types."""
    page.driver.execute_script(
        """
        app.graph.clear()
        arguments[0].forEach((type, i) => {
            const node = LiteGraph.createNode(type)
            node.pos = [100 + 400 * i, 100]
            app.graph.add(node)
        })
        """,
        node_types,
    )
    time.sleep(1)  # widgets and words are added a moment later


def widget(page: Frontend, name: str) -> Any:
    """The value of a widget of the first node."""
    return page.driver.execute_script(
        "return app.graph.nodes[0].widgets.find(w => w.name === arguments[0]).value", name
    )


def test_load_idr_uploads_a_file_and_chooses_it(canvas: Frontend, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    mine = tmp_path / f"{tmp_path.name}.safetensors"  # not there yet
    make_tiny().estimate(torch.rand(1, 3, 12, 10)).save(mine)
    only(canvas, "KDSR_LoadIDR")
    canvas.driver.execute_script(
        "app.graph.nodes[0].widgets.find(w => w.name === 'upload').callback()"
    )
    canvas.driver.find_element(By.CLASS_NAME, "kdsr-upload").send_keys(str(mine))
    canvas.wait_for(f"return app.graph.nodes[0].widgets[0].value === '{mine.name}'")
    assert (canvas.server.input / mine.name).read_bytes() == mine.read_bytes()
    (queued,) = canvas.prompt().values()
    assert queued["inputs"] == {"file": mine.name}
    saved = canvas.driver.execute_script("return app.graph.serialize().nodes[0].widgets_values")
    assert saved == [mine.name]


def test_save_idr_fills_in_dates_and_fields_of_other_nodes(page: Frontend) -> None:
    page.load()
    only(page, "KDSR_SaveIDR", "KDSR_Load")
    page.driver.execute_script(
        "app.graph.nodes[0].widgets[0].value = 'a/%date:yyyy-MM-dd%_%KDSR_Load.precision%'"
    )
    queued = next(n for n in page.prompt().values() if n["class_type"] == "KDSR_SaveIDR")
    assert queued["inputs"]["filename_prefix"] == f"a/{time.strftime('%Y-%m-%d')}_auto"
    assert widget(page, "filename_prefix").startswith("a/%date")
