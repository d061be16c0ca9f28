"""The workflows agree with the nodes, with themselves and with what ships beside them."""

import re
from typing import Any

import pytest
from PIL import Image

from tests.pack.test_blueprints import assert_links_agree
from tests.support.comfy_host import Host, declared_inputs
from tests.support.places import ROOT
from tools.comfy_workflows import FOLDER, NAMES, read

# Core nodes that 0.3.64 has, and their inputs in its order; a * marks a widget.
CORE = {
    "CreateVideo": ["images", "fps*", "audio"],
    "GetVideoComponents": ["video"],
    "ImageBatch": ["image1", "image2"],
    "ImageBlend": ["image1", "image2", "blend_factor*", "blend_mode*"],
    "ImageFromBatch": ["image", "batch_index*", "length*"],
    "ImageScaleToTotalPixels": ["image", "upscale_method*", "megapixels*"],
    "ImageStitch": [
        "image1", "direction*", "match_image_size*", "spacing_width*", "spacing_color*", "image2",
    ],
    "ImageUpscaleWithModel": ["upscale_model", "image"],
    "PreviewAny": ["source"],
    "PreviewImage": ["images"],
    "RebatchImages": ["images", "batch_size*"],
    "SaveImage": ["images", "filename_prefix*"],
    "SaveVideo": ["video", "filename_prefix*", "format*", "codec*"],
}  # fmt: skip
# Nodes that only newer ones have, in subgraphs that start bypassed, and what goes with them.
NEWER = {
    "ImageScaleBy": ["image", "upscale_method*", "scale_by*"],
    "KSampler": [
        "model", "positive", "negative", "latent_image", "seed*", "steps*", "cfg*",
        "sampler_name*", "scheduler*", "denoise*",
    ],
    "SeedVR2Conditioning": ["model", "vae_conditioning"],
    "SeedVR2PostProcessing": ["images", "original_resized_images", "color_correction_method*"],
    "SeedVR2Preprocess": ["resized_images"],
    "UNETLoader": ["unet_name*", "weight_dtype*"],
    "VAEDecodeTiled": [
        "samples", "vae", "tile_size*", "overlap*", "temporal_size*", "temporal_overlap*",
    ],
    "VAEEncodeTiled": [
        "pixels", "vae", "tile_size*", "overlap*", "temporal_size*", "temporal_overlap*",
    ],
    "VAELoader": ["vae_name*"],
}  # fmt: skip
NOTES = {"MarkdownNote"}
ACTIVE, BYPASSED = 0, 4  # LiteGraph's modes
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def is_widget(spec: list[Any]) -> bool:
    return isinstance(spec[0], list) or set(spec[0].split(",")) <= WIDGETS


def input_names(host: Host, node_type: str) -> list[str]:
    """As in `CORE`, for any node."""
    if node_type in CORE:
        return CORE[node_type]
    return [name + "*" * is_widget(spec) for name, spec in kept_inputs(host, node_type).items()]


def kept_inputs(host: Host, node_type: str) -> dict[str, list[Any]]:
    """Inputs that workflows hold: not what the page fills in, which has no socket either."""
    inputs = declared_inputs(host, node_type)
    return {name: spec for name, spec in inputs.items() if not spec[1].get("socketless")}


def nodes_of(name: str) -> list[dict[str, Any]]:
    """Nodes but notes and subgraphs."""
    others = NOTES | {subgraph["id"] for subgraph in subgraphs_of(name)}
    return [node for node in read(name)["nodes"] if node["type"] not in others]


def subgraphs_of(name: str) -> list[dict[str, Any]]:
    return read(name).get("definitions", {}).get("subgraphs", [])


def test_names_are_titles_in_the_order_of_the_template_browser() -> None:
    # ComfyUI shows the names of the files as titles, and sorts by nothing else.
    assert [name[:3] for name in NAMES] == [f"{i:02} " for i in range(1, len(NAMES) + 1)]
    assert all(re.fullmatch(r"\d\d [A-Z][A-Za-z0-9, ]{5,32}", name) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_workflows_use_only_our_nodes_and_core_ones(host: Host, name: str) -> None:
    assert {n["type"] for n in nodes_of(name)} <= {*CORE, *host.nodes}


def test_together_the_workflows_use_every_node_of_the_pack(host: Host) -> None:
    assert set(host.nodes) <= {n["type"] for name in NAMES for n in nodes_of(name)}


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_widgets_are_those_of_the_nodes(host: Host, name: str) -> None:
    for node in nodes_of(name):
        expected = input_names(host, node["type"])
        assert [i["name"] + "*" * ("widget" in i) for i in node["inputs"]] == expected, node
        assert len(node["widgets_values"]) == sum("*" in n for n in expected), node


@pytest.mark.parametrize("name", NAMES)
def test_widget_values_are_allowed(host: Host, name: str) -> None:
    for node in nodes_of(name):
        if node["type"] in CORE:
            continue
        widgets = [(k, s) for k, s in kept_inputs(host, node["type"]).items() if is_widget(s)]
        for (key, spec), value in zip(widgets, node["widgets_values"], strict=True):
            options = spec[1]
            if "options" in options and key != "file":  # files are there where they are put
                assert value in options["options"], (node["type"], key, value)
            if "min" in options:
                assert options["min"] <= value <= options["max"], (node["type"], key, value)


@pytest.mark.parametrize("name", NAMES)
def test_links_are_the_same_seen_from_both_ends(name: str) -> None:
    workflow = read(name)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert len(nodes) == len(workflow["nodes"])
    assert workflow["last_node_id"] == max(nodes)
    assert workflow["last_link_id"] == max(link[0] for link in workflow["links"])
    seen_out = {
        (link, node["id"], slot)
        for node in nodes.values()
        for slot, output in enumerate(node["outputs"])
        for link in output["links"] or []
    }
    seen_in = {
        (entry["link"], node["id"], slot)
        for node in nodes.values()
        for slot, entry in enumerate(node["inputs"])
        if entry["link"] is not None
    }
    assert seen_out == {(i, source, slot) for i, source, slot, _, _, _ in workflow["links"]}
    assert seen_in == {(i, target, slot) for i, _, _, target, slot, _ in workflow["links"]}
    for _, source, source_slot, target, target_slot, kind in workflow["links"]:
        assert nodes[source]["outputs"][source_slot]["type"] == kind
        assert nodes[target]["inputs"][target_slot]["type"] in (kind, "*")


def test_nodes_of_newer_comfyuis_lie_in_subgraphs_that_start_bypassed() -> None:
    (name,) = (name for name in NAMES if subgraphs_of(name))
    (subgraph,) = subgraphs_of(name)
    (outer,) = (n for n in read(name)["nodes"] if n["type"] == subgraph["id"])
    assert outer["mode"] == BYPASSED
    assert outer["properties"]["kdsr_optional"] is True, "web/templates.js looks for it"
    # Bypassed, it must hand on what it gets.
    assert [end["type"] for end in outer["inputs"]] == [end["type"] for end in outer["outputs"]]
    assert {node["type"] for node in subgraph["nodes"]} == set(NEWER)
    for node in subgraph["nodes"]:
        inputs = [i["name"] + "*" * ("widget" in i) for i in node["inputs"]]
        assert inputs == NEWER[node["type"]]
        widgets = sum("*" in i for i in inputs) + ("seed*" in inputs)  # what becomes of the seed
        assert len(node["widgets_values"]) == widgets, node["type"]
    assert_links_agree(subgraph)


@pytest.mark.parametrize("name", NAMES)
def test_node_properties_name_the_pack_and_its_version(host: Host, name: str) -> None:
    for node in nodes_of(name):
        ours = node["type"] in host.nodes
        properties = node["properties"]
        assert properties["Node name for S&R"] == node["type"]
        assert properties["cnr_id"] == ("kdsr" if ours else "comfy-core")
        assert properties["ver"] == ("0.1.0" if ours else "0.3.64")


@pytest.mark.parametrize("name", NAMES)
def test_workflows_load_a_bundled_model_and_thus_offer_no_download(name: str) -> None:
    loaders = [n for n in nodes_of(name) if n["type"] == "KDSR_Load"]
    assert {n["widgets_values"][0] for n in loaders} <= {"photo", "faithful"}
    assert all(n["widgets_values"][1:] == ["auto", "", 1.0] for n in loaders)
    assert all("models" not in n["properties"] for n in loaders)


@pytest.mark.parametrize("name", NAMES)
def test_links_pass_behind_no_node(name: str) -> None:
    workflow = read(name)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for _, source, slot_out, target, slot_in, _ in workflow["links"]:
        start = (right(nodes[source]), slot_y(nodes[source], slot_out))
        end = (nodes[target]["pos"][0], slot_y(nodes[target], slot_in))
        assert start[0] < end[0], "links go from left to right"
        for node in nodes.values():
            if node["id"] not in (source, target):
                assert not crosses(start, end, node), (nodes[source]["type"], node["type"])


def right(node: dict[str, Any]) -> float:
    return node["pos"][0] + node["size"][0]


def slot_y(node: dict[str, Any], slot: int) -> float:
    return node["pos"][1] + 20 * slot + 14


def crosses(start: tuple[float, float], end: tuple[float, float], node: dict[str, Any]) -> bool:
    """Whether the straight line between two slots passes a node, its title included."""
    left, top = node["pos"]
    lowest = top + node["size"][1]
    for step in range(1, 50):
        x, y = (a + (b - a) * step / 50 for a, b in zip(start, end, strict=True))
        if left < x < right(node) and top - 30 < y < lowest:
            return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_every_workflow_explains_itself(name: str) -> None:
    # In English: web/templates.js shows the note of the page's language in its place.
    (note,) = (n["widgets_values"][0] for n in read(name)["nodes"] if n["type"] in NOTES)
    assert note.startswith("# ")
    assert "replace *KDSR Sample*" in note
    assert "`" not in note, "code is hard to read in the notes of the Vue nodes"


@pytest.mark.parametrize("name", NAMES)
def test_workflows_start_from_samples_and_want_no_file_of_the_user(name: str) -> None:
    active = {n["type"] for n in nodes_of(name) if n["mode"] == ACTIVE}
    assert "KDSR_Sample" in active
    assert not {"LoadImage", "LoadVideo", "KDSR_LoadIDR"} & active


@pytest.mark.parametrize("name", NAMES)
def test_workflows_are_small_enough_to_be_read_on_one_screen(name: str) -> None:
    nodes = read(name)["nodes"]
    assert len(nodes) <= 16
    farthest = max(n["pos"][0] + n["size"][0] for n in nodes)
    assert min(n["pos"][0] for n in nodes) == min(n["pos"][1] for n in nodes) == 0
    assert farthest <= 2400


@pytest.mark.parametrize("name", NAMES)
def test_every_workflow_has_a_thumbnail(name: str) -> None:
    file = FOLDER / f"{name}.jpg"
    with Image.open(file) as image:
        assert image.width == image.height >= 300
        assert len({image.getpixel((x, x)) for x in range(image.width)}) > 20
    assert file.stat().st_size < 100_000


def test_no_other_folder_hides_the_workflows() -> None:
    # ComfyUI serves the first of these folders that it finds as the templates, and only that.
    earlier = ("example_workflows", "example", "examples", "workflow")
    assert [folder for folder in earlier if (ROOT / folder).exists()] == []
