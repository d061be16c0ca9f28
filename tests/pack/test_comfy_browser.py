"""The pack as a person meets it: ComfyUI's own page, in a base directory that is new."""

import json
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import ROOT
from tools.comfy_browser import Frontend, as_json
from tools.comfy_server import ComfyServer
from tools.comfy_workflows import NAMES, read, shown, title, to_api

pytestmark = pytest.mark.comfy

OLD = sorted((ROOT / "tests/pack/old").glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_every_template_runs_on_the_first_click(canvas: Frontend, name: str) -> None:
    server = canvas.server
    workflow = as_it_opens(server, read(name))
    own = files_in(server.input)
    canvas.open_template(name)
    assert [node["type"] for node in canvas.nodes()] == [n["type"] for n in workflow["nodes"]]
    entry = canvas.run()
    assert [node for node in canvas.nodes() if node["red"] or not node["known"]] == []
    assert canvas.dialogs() == []
    files = shown(server, name, entry)
    makers = ("KDSR_Sample", "KDSR_Compare", "KDSR_InspectIDR", "PreviewImage", "SaveImage")
    assert set(files) >= {title(n) for n in workflow["nodes"] if n["type"] in makers}
    made = [file for kinds in files.values() for group in kinds.values() for file in group]
    assert min(file.stat().st_size for file in made) > 0
    assert files_in(server.input) == own, "a template must not write among the user's files"
    assert overlaps(canvas.boxes(), workflow) == [], "nodes grow over each other while running"


def as_it_opens(server: ComfyServer, workflow: dict[str, Any]) -> dict[str, Any]:
    """Without the subgraphs that hold nodes that this ComfyUI has not."""
    subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
    known = set(server.object_info()) if subgraphs else set()
    lacking = {s["id"] for s in subgraphs if not {node["type"] for node in s["nodes"]} <= known}
    return {**workflow, "nodes": [n for n in workflow["nodes"] if n["type"] not in lacking]}


def files_in(folder: Path) -> list[Path]:
    """ComfyUI makes empty folders of its own."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def overlaps(
    boxes: dict[str, tuple[float, float, float, float]], workflow: dict[str, Any]
) -> list[tuple[str, str]]:
    """Titles of nodes that lie over each other."""
    titles = {str(node["id"]): title(node) for node in workflow["nodes"]}
    assert set(boxes) == set(titles)
    return [
        (titles[one], titles[other])
        for one, other in combinations(boxes, 2)
        if boxes[one][0] < boxes[other][2] and boxes[other][0] < boxes[one][2]
        and boxes[one][1] < boxes[other][3] and boxes[other][1] < boxes[one][3]
    ]  # fmt: skip


def test_the_line_between_before_and_after_follows_the_pointer(canvas: Frontend) -> None:
    canvas.open_template(NAMES[0])
    canvas.fit()
    assert 0.45 < canvas.slide(0.5) < 0.55
    assert 0.15 < canvas.slide(0.2) < 0.25
    assert 0.75 < canvas.slide(0.8) < 0.85


_CHOOSE = """
const [type, name, value] = arguments
app.graph.clear()
const node = LiteGraph.createNode(type)
app.graph.add(node)
const widget = node.widgets.find(w => w.name === name)
widget.value = value
widget.callback(value, app.canvas, node)
return Object.fromEntries(node.widgets.filter(w => !w.hidden).map(w => [w.name, w.value]))
"""


@pytest.mark.parametrize(
    ("type_", "name", "value", "shown"),
    [
        ("KDSR_Upscale", "size_by", "model factor", {"size": None, "fit_height": None}),
        ("KDSR_Upscale", "size_by", "factor", {"size": 2, "fit_height": None}),
        ("KDSR_Upscale", "size_by", "width", {"size": 1920, "fit_height": None}),
        ("KDSR_TileUpscale", "size_by", "fit into", {"size": 1920, "fit_height": 1080}),
        ("KDSR_TileUpscale", "overlap", "exact", {"custom_overlap": None}),
        ("KDSR_TileUpscale", "overlap", "custom", {"custom_overlap": 64}),
        ("KDSR_UpscaleRegions", "regions", "map", {"feather": None, "cells": 6}),
    ],
)
def test_only_what_applies_is_shown_with_a_sensible_value(
    page: Frontend, type_: str, name: str, value: str, shown: dict[str, float | None]
) -> None:
    page.open_template(NAMES[0])
    found = page.driver.execute_script(_CHOOSE, type_, name, value)
    assert {widget: found.get(widget) for widget in shown} == shown


def test_nodes_grow_and_shrink_with_what_they_show(canvas: Frontend) -> None:
    canvas.open_template(NAMES[0])
    heights = []
    for choice in ("model factor", "width", "fit into"):
        canvas.driver.execute_script(_CHOOSE, "KDSR_Upscale", "size_by", choice)
        canvas.settle()
        ((_, top, _, bottom),) = canvas.boxes().values()
        heights.append(bottom - top)
    # One row each; a Vue node may have had room for half of one.
    assert all(8 < after - before < 40 for before, after in pairwise(heights)), heights


def test_workflows_saved_before_there_were_these_widgets_keep_their_values(page: Frontend) -> None:
    workflow = read(NAMES[0])
    (node,) = (n for n in workflow["nodes"] if n["type"] == "KDSR_Upscale")
    then = ("image", "size_by", "size", "idr", "strength")
    node["inputs"] = [i for i in node["inputs"] if i["name"] in then]
    node["widgets_values"] = ["width", 333.0, 0.75]
    page.open_template(NAMES[0])
    page.driver.execute_async_script(
        "const [flow, done] = arguments; app.loadGraphData(flow).then(() => done())", workflow
    )
    inputs = page.prompt()[str(node["id"])]["inputs"]
    expected = {"size_by": "width", "size": 333, "fit_height": 1080, "strength": 0.75}
    assert inputs.items() >= {**expected, "wrap": "none"}.items()


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_workflows_of_earlier_versions_keep_links_and_values(page: Frontend, path: Path) -> None:
    workflow = json.loads(path.read_text(encoding="utf-8"))
    page.load()
    page.driver.execute_async_script(
        "const [flow, done] = arguments; app.loadGraphData(flow).then(() => done())", workflow
    )
    queued = as_json(page.prompt())
    for node_id, node in as_json(to_api(workflow, page.server.object_info())).items():
        assert node["inputs"].items() <= queued[node_id]["inputs"].items(), node["class_type"]


def test_the_page_queues_what_the_files_say(page: Frontend) -> None:
    info = page.server.object_info()
    page.load()
    for name in NAMES:
        page.open_template(name)
        queued, tested = as_json(page.prompt()), as_json(to_api(read(name), info))
        assert set(queued) == set(tested)
        for node_id, node in tested.items():
            assert node["class_type"] == queued[node_id]["class_type"]
            # Newer versions add inputs to nodes of their own.
            assert node["inputs"].items() <= queued[node_id]["inputs"].items()
