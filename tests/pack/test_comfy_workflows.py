"""The workflows in a real ComfyUI: run to their end, served as templates, opened in its page."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.comfy_browser import NOT_FOUND, Frontend, as_json, found_chromium, frontend
from tests.support.comfy_server import PACK, ComfyServer, comfy_python
from tests.support.comfy_workflows import FOLDER, INPUTS, NAMES, read, ship_inputs, to_api

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def server(comfy: ComfyServer) -> ComfyServer:
    """A server whose input folder holds the samples, as the notes in the workflows ask."""
    ship_inputs(comfy)
    return comfy


@pytest.fixture(scope="module")
def info(server: ComfyServer) -> dict[str, Any]:
    return server.object_info()


def shown(server: ComfyServer, name: str, entry: dict[str, Any]) -> dict[str, list[Path]]:
    """The files that a run made, by the titles or types of their nodes."""
    nodes = {str(n["id"]): title(n) for n in read(name)["nodes"]}
    return {
        nodes[node_id]: [
            server.base / i["type"] / i["subfolder"] / i["filename"] for i in out["images"]
        ]
        for node_id, out in entry["outputs"].items()
        if "images" in out
    }


def title(node: dict[str, Any]) -> str:
    return node.get("title") or node["type"]


def pixels(file: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    with Image.open(file) as image:
        return np.array(image.convert("RGB"))


# What the library makes of the sample, by the same interpreter and torch as ComfyUI.
_LIBRARY = """
import pathlib, sys, numpy, kdsr
from kdsr.files.images import read_image
sr = kdsr.load("kdsr-s-x4").upscale(read_image(pathlib.Path(sys.argv[1])).rgb)
numpy.save(sys.argv[2], (255 * sr[0].permute(1, 2, 0).numpy()).clip(0, 255).astype(numpy.uint8))
"""


def library_result(lq: Path, folder: Path) -> np.ndarray:
    """(H, W, 3) uint8, cut to 8 bit as Save Image does it."""
    out = folder / "sr.npy"
    command = [str(comfy_python()), "-c", _LIBRARY, str(lq), str(out)]
    done = subprocess.run(command, cwd=PACK, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(out)


@pytest.fixture(scope="module")
def ran(server: ComfyServer, info: dict[str, Any]) -> Callable[[str], dict[str, list[Path]]]:
    """Runs a workflow, once; gives the files it made."""
    entries: dict[str, dict[str, list[Path]]] = {}

    def run(name: str) -> dict[str, list[Path]]:
        if name not in entries:
            entries[name] = shown(server, name, server.run(to_api(read(name), info)))
        return entries[name]

    return run


@pytest.mark.parametrize("name", NAMES)
def test_every_workflow_runs_to_its_end(ran, name: str) -> None:
    makers = ("SaveImage", "PreviewImage", "SaveVideo", "KDSR_InspectIDR")
    expected = {title(n) for n in read(name)["nodes"] if n["type"] in makers}
    files = ran(name)
    assert set(files) == expected
    assert all(file.stat().st_size > 0 for group in files.values() for file in group)


def test_the_basic_workflow_gives_the_pixels_of_the_library(ran, tmp_path: Path) -> None:
    expected = library_result(INPUTS / "kdsr_kingfisher.png", tmp_path)
    assert np.array_equal(pixels(ran("basic_x4")["SaveImage"][0]), expected)


def test_tiled_equals_whole_in_the_workflow_that_says_so(ran) -> None:
    files = ran("large_image_tiled")
    assert pixels(files["SaveImage"][0]).std() > 10
    assert pixels(files["Difference: black"][0]).max() == 0


def test_seams_show_without_kdsr_tiles(ran) -> None:
    files = ran("seams_compared")
    difference = pixels(files["Difference x16"][0]).mean(-1)
    height = len(difference)
    at_seam = difference[height // 2 - 2 : height // 2 + 2].mean()
    elsewhere = difference[height // 8 : height // 4].mean()
    assert at_seam > 5 * elsewhere


def test_wrapped_textures_continue_at_their_other_edge(ran) -> None:
    files = ran("seamless_texture")
    wrapped, cut = (step_across_copies(pixels(files[n][0])) for n in ("Seamless", "With seams"))
    assert wrapped < cut / 1.2


def step_across_copies(sheet: np.ndarray) -> float:
    """Mean difference of the rows and columns where the 2 x 2 copies meet."""
    rows, columns = (sheet.astype(float), sheet.astype(float).swapaxes(0, 1))
    steps = [np.abs(s[len(s) // 2] - s[len(s) // 2 - 1]).mean() for s in (rows, columns)]
    return float(np.mean(steps))


def test_templates_and_their_thumbnails_are_served(server: ComfyServer) -> None:
    assert sorted(server.get_json("/api/workflow_templates")["kdsr"]) == NAMES
    for name in NAMES:
        assert server.get_json(f"/api/workflow_templates/kdsr/{name}.json") == read(name)
        thumbnail = server.get(f"/api/workflow_templates/kdsr/{name}.jpg")
        assert thumbnail == (FOLDER / f"{name}.jpg").read_bytes()


def test_translations_are_served(server: ComfyServer) -> None:
    served = server.get_json("/api/i18n")
    for language in ("en", "zh"):
        path = PACK / "locales" / language / "nodeDefs.json"
        words = json.loads(path.read_text(encoding="utf-8"))
        assert {k: v for k, v in served[language]["nodeDefs"].items() if k in words} == words


def test_help_pages_and_their_pictures_are_served(server: ComfyServer) -> None:
    docs = PACK / "web" / "docs"
    files = [path for path in docs.rglob("*") if path.is_file()]
    assert files
    for path in files:
        served = server.get(f"/extensions/kdsr/docs/{path.relative_to(docs).as_posix()}")
        assert served == path.read_bytes()


# ---- in the browser


@pytest.fixture(scope="module")
def page(server: ComfyServer) -> Iterator[Frontend]:
    """ComfyUI's frontend in Chromium."""
    if found_chromium() is None:
        pytest.skip(NOT_FOUND)
    with frontend(server) as page:
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_the_frontend_opens_every_template_with_nothing_missing(
    page: Frontend, info: dict[str, Any], name: str
) -> None:
    page.open_template(name)
    nodes = page.nodes()
    assert [node["type"] for node in nodes] == [n["type"] for n in read(name)["nodes"]]
    assert [node for node in nodes if node["red"] or not node["known"]] == []
    assert page.dialogs() == []
    # It would queue what the tests above ran (its video nodes add inputs of their own).
    queued, tested = as_json(page.prompt()), as_json(to_api(read(name), info))
    assert set(queued) == set(tested)
    for node_id, node in tested.items():
        assert node["class_type"] == queued[node_id]["class_type"]
        assert node["inputs"].items() <= queued[node_id]["inputs"].items()


def test_the_frontend_runs_the_basic_workflow_and_shows_its_images(page: Frontend) -> None:
    page.open_template("basic_x4")
    page.run()
    assert [node for node in page.nodes() if node["red"]] == []
    assert page.dialogs() == []


def test_the_frontend_speaks_chinese(server: ComfyServer) -> None:
    if found_chromium() is None:
        pytest.skip(NOT_FOUND)
    try:
        with frontend(server, Locale="zh") as page:
            page.open_template("basic_x4")
            titles = page.driver.execute_script("return app.graph.nodes.map(n => n.title)")
    finally:
        server.post("/settings", {"Comfy.Locale": "en"})
    assert {"加载 KDSR", "用 IDR 放大"} <= set(titles)
