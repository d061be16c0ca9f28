"""The newcomer's script of docs/comfyui.md, in a ComfyUI that nobody has used yet."""

import numpy as np
import pytest
from PIL import Image

from tests.support.places import SAMPLES
from tools.chromium import NOT_FOUND, found_chromium
from tools.comfy_browser import frontend
from tools.comfy_server import ComfyServer
from tools.comfy_workflows import NAMES, shown

pytestmark = pytest.mark.comfy


def edges(picture: Image.Image) -> float:
    """How steep the steepest edges are: the step between neighbours that one in 200 exceeds."""
    grey = np.asarray(picture.convert("L"), dtype=float)
    return float(np.quantile(np.abs(np.diff(grey, axis=1)), 0.995))


def test_three_clicks_lead_to_a_crisp_picture_four_times_as_large(comfy_page: ComfyServer) -> None:
    if found_chromium() is None:
        pytest.skip(NOT_FOUND)
    with frontend(comfy_page, TutorialCompleted=False) as page:
        page.load()  # a fresh ComfyUI opens its templates by itself
        page.click_in_dialog("kdsr")
        page.click_in_dialog(NAMES[0])
        page.wait_for("return app.graph.nodes.some(n => n.type === 'KDSR_Upscale')")
        entry = page.run()
    files = shown(comfy_page, NAMES[0], entry)
    with Image.open(files["SaveImage"]["images"][0]) as large:
        assert large.size == (800, 640)
        with Image.open(SAMPLES / "example.png") as small:
            plain = small.resize(large.size, Image.Resampling.BICUBIC)
        assert edges(large) > 1.3 * edges(plain)
