"""Blueprints: subgraphs that newer ComfyUIs offer among their nodes, each one node to its user."""

import json
from typing import Any

import pytest

from tests.support.comfy_host import Host, declared_inputs
from tests.support.places import ROOT
from tools.comfy_browser import Frontend, within
from tools.comfy_server import ComfyServer

FOLDER = ROOT / "subgraphs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
OUTER = {"Upscale Image (KDSR)": "IMAGE", "Upscale Video (KDSR)": "VIDEO"}
SINCE = (0, 4)
"""ComfyUI from which on its page takes blueprints from packs, among those tested."""


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_there_is_one_for_pictures_and_one_for_video() -> None:
    assert set(NAMES) == set(OUTER)


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_is_one_node_that_takes_and_gives_one_thing(name: str) -> None:
    blueprint = read(name)
    (outer,), (inner,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    assert outer["type"] == inner["id"]
    assert outer["title"] == inner["name"] == name
    for ends in (outer, inner):
        for side in ("inputs", "outputs"):
            assert [end["type"] for end in ends[side]] == [OUTER[name]]
    assert inner["description"] == blueprint["extra"]["BlueprintDescription"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_inside_has_the_inputs_of_the_nodes(host: Host, name: str) -> None:
    (inner,) = read(name)["definitions"]["subgraphs"]
    for node in inner["nodes"]:
        declared = declared_inputs(host, node["type"])
        assert [entry["name"] for entry in node["inputs"]] == list(declared)
        widgets = [e["name"] for e in node["inputs"] if "widget" in e]
        values = dict(zip(widgets, node["widgets_values"], strict=True))
        assert {key: declared[key][1].get("default") for key in values} == values


@pytest.mark.parametrize("name", NAMES)
def test_the_widgets_shown_outside_are_inside(name: str) -> None:
    blueprint = read(name)
    (outer,), (inner,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    inside = {
        (str(node["id"]), entry["name"])
        for node in inner["nodes"]
        for entry in node["inputs"]
        if "widget" in entry
    }
    shown = [tuple(pair) for pair in outer["properties"]["proxyWidgets"]]
    assert len(shown) >= 5
    assert set(shown) <= inside


@pytest.mark.parametrize("name", NAMES)
def test_links_inside_are_the_same_seen_from_both_ends(name: str) -> None:
    (inner,) = read(name)["definitions"]["subgraphs"]
    assert_links_agree(inner)


def assert_links_agree(inner: dict[str, Any]) -> None:
    """Links of a subgraph are the same seen from both ends, and from its own inputs and outputs."""
    nodes = {node["id"]: node for node in inner["nodes"]}
    links = {link["id"]: link for link in inner["links"]}
    for link in links.values():
        if link["origin_id"] in nodes:
            assert link["id"] in nodes[link["origin_id"]]["outputs"][link["origin_slot"]]["links"]
        else:
            assert inner["inputs"][link["origin_slot"]]["linkIds"] == [link["id"]]
        if link["target_id"] in nodes:
            assert nodes[link["target_id"]]["inputs"][link["target_slot"]]["link"] == link["id"]
        else:
            assert inner["outputs"][link["target_slot"]]["linkIds"] == [link["id"]]
    used = {e["link"] for node in nodes.values() for e in node["inputs"]} - {None}
    assert used <= set(links)


# ---- in a real ComfyUI


def since(comfy: ComfyServer) -> ComfyServer:
    """The server, if it is one that knows blueprints of packs."""
    if comfy.version < SINCE:
        pytest.skip(f"ComfyUI {comfy.version} offers no blueprints of packs")
    return comfy


@pytest.mark.comfy
def test_the_server_offers_the_blueprints(comfy: ComfyServer) -> None:
    offered = since(comfy).get_json("/global_subgraphs")
    ours = {e["name"]: key for key, e in offered.items() if e["info"]["node_pack"].endswith("kdsr")}
    assert set(ours) == set(NAMES)
    for name, key in ours.items():
        assert json.loads(comfy.get_json(f"/global_subgraphs/{key}")["data"]) == read(name)


# A sample, the blueprint chosen in the search box of the page, and a node that keeps the result.
_AROUND = """
const [sample, keeper] = arguments
app.graph.clear()
const add = (type, x) => {
    const node = LiteGraph.createNode(type)
    node.pos = [x, 100]
    app.graph.add(node)
    return node
}
const from = add('KDSR_Sample', 0)
from.widgets[0].value = sample
const to = add(keeper, 800)
window.kdsr_ends = [from, to]
app.canvas.ds.scale = 1
app.canvas.ds.offset = [100, 100]
"""
_CONNECT = """
const [from, to] = window.kdsr_ends
const node = app.graph.nodes.find(n => n.isSubgraphNode?.())
node.pos = [350, 100]
const kind = node.inputs[0].type
from.connect(from.findOutputSlotByType(kind), node, 0)
node.connect(0, to, to.findInputSlotByType(kind))
"""
_CHOOSE = """
const node = app.graph.nodes.find(n => n.isSubgraphNode?.())
for (const [name, value] of Object.entries(arguments[0])) {
    const widget = node.widgets.find(w => w.name === name)
    widget.value = value
    widget.callback(value, app.canvas, node)
}
const shown = node.widgets.filter(w => !w.hidden && !w.options.hidden)
return Object.fromEntries(shown.map(w => [w.name, w.value]))
"""
_LABELS = """
const node = app.graph.nodes.find(n => n.isSubgraphNode?.())
return node.widgets.filter(w => !w.hidden && !w.options.hidden).map(w => w.label ?? w.name)
"""


@pytest.mark.comfy
@pytest.mark.parametrize(
    ("name", "sample", "keeper"),
    [
        ("Upscale Image (KDSR)", "kingfisher: blurred, noisy", "SaveImage"),
        ("Upscale Video (KDSR)", "city: 8 frames with sound", "SaveVideo"),
    ],
    ids=["image", "video"],
)
def test_a_blueprint_is_found_by_its_name_and_runs(
    page: Frontend, name: str, sample: str, keeper: str
) -> None:
    ready(page)
    page.driver.execute_script(_AROUND, sample, keeper)
    page.add_by_search(name)
    page.driver.execute_script(_CONNECT)
    applies = {"purpose", "size_by", "strength"} | ({"mode"} if keeper == "SaveVideo" else set())
    assert within(60, lambda: set(shown(page)) == applies), shown(page)
    if keeper == "SaveVideo":
        assert shown(page, size_by="factor", mode="locked")["size"] == 2
    else:
        box = shown(page, size_by="fit into")
        assert (box["size"], box["fit_height"]) == (1920, 1080)
    assert set(shown(page, size_by="model factor")) == applies
    entry = page.run()
    assert [node for node in page.nodes() if node["red"]] == []
    files = [i["filename"] for out in entry["outputs"].values() for i in out.get("images", [])]
    assert any(file.endswith({"SaveImage": ".png", "SaveVideo": ".mp4"}[keeper]) for file in files)


# So many nodes, out of the way of a click.
_CROWD = """
app.graph.clear()
for (let i = 0; i < arguments[0]; i++) {
    const node = LiteGraph.createNode('KDSR_Sample')
    node.pos = [400 * i, -9000]
    app.graph.add(node)
}
app.canvas.ds.scale = 1
app.canvas.ds.offset = [100, 100]
"""
_LOAD_ANEW = """
const done = arguments[0]
app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize()))).then(() => done())
"""


@pytest.mark.comfy
@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_keeps_its_widgets_among_any_nodes(page: Frontend, name: str) -> None:
    # Pages since 1.55 drop every widget whose inner node has the id of the node outside.
    ready(page)
    promoted = {widget for _, widget in read(name)["nodes"][0]["properties"]["proxyWidgets"]}
    for others in (0, 40):
        page.driver.execute_script(_CROWD, others)
        page.add_by_search(name)
        chosen = {"size_by": "fit into", "strength": 0.5}
        # What applies is shown a moment after a choice.
        assert within(60, lambda: set(shown(page, **chosen)) == promoted), others  # noqa: B023
        assert {"purpose", "size by", "width", "height"} <= labels(page)
        page.driver.execute_async_script(_LOAD_ANEW)
        assert within(60, lambda: set(shown(page)) == promoted), others
        kept = shown(page)
        assert (kept["size_by"], kept["strength"]) == ("fit into", 0.5)


def ready(page: Frontend) -> None:
    """The page on the classic canvas, if it is one that knows blueprints of packs."""
    since(page.server)
    page.stay()
    page.use_vue_nodes(False)


def shown(page: Frontend, **choices: Any) -> dict[str, Any]:
    """What the blueprint shows outside once this is chosen there."""
    return page.driver.execute_script(_CHOOSE, choices)


def labels(page: Frontend) -> set[str]:
    """What people read beside those widgets."""
    return set(page.driver.execute_script(_LABELS))
