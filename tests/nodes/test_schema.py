"""Declarations of the nodes, read by a V3 host."""

import ast
from pathlib import Path

import pytest

from tests.support.comfy_host import Host
from tests.support.node_ids import NODES
from tests.support.places import ROOT

# Ids and their inputs never change once released: workflows hold them.
INPUTS = {
    "KDSR_Load": ["model", "precision", "hub_id", "crispness"],
    "KDSR_EstimateIDR": ["model", "image", "mode", "smoothing", "scene_cut", "wrap", "mask",
                         "estimate"],
    "KDSR_Upscale": [
        "image", "size_by", "size", "model", "fit_height", "idr", "strength", "wrap", "purpose",
        "tile", "overlap", "custom_overlap", "tiles_per_batch", "light",
    ],
    "KDSR_TileUpscale": [
        "model", "image", "size_by", "size", "fit_height", "tile", "overlap", "custom_overlap",
        "wrap", "tiles_per_batch", "idr", "strength",
    ],
    "KDSR_UpscaleRegions": [
        "model", "image", "size_by", "size", "fit_height", "regions", "feather", "cells", "mask_1",
        "idr_1", "mask_2", "idr_2", "mask_3", "idr_3", "idr_rest", "strength",
    ],
    "KDSR_UpscaleVideo": [
        "video", "size_by", "size", "model", "fit_height", "mode", "smoothing", "scene_cut", "crf",
        "idr", "strength", "purpose",
    ],
    "KDSR_InspectIDR": ["idr", "other", "model", "image", "language"],
    "KDSR_BlendIDR": ["idr_a", "weight", "idr_b", "preset", "model"],
    "KDSR_SaveIDR": ["idr", "filename_prefix"],
    "KDSR_LoadIDR": ["file"],
    "KDSR_BakeUpscaleModel": ["model", "idr", "save_as"],
    "KDSR_Sample": ["sample"],
    "KDSR_Compare": ["before", "after"],
}  # fmt: skip


CATEGORIES = {
    **dict.fromkeys(["KDSR_Load", "KDSR_Upscale", "KDSR_UpscaleVideo", "KDSR_InspectIDR"], "KDSR"),
    **dict.fromkeys(
        ["KDSR_EstimateIDR", "KDSR_BlendIDR", "KDSR_SaveIDR", "KDSR_LoadIDR"], "KDSR/IDR"
    ),
}
LONGEST_TOOLTIP = 140
UPSCALERS = ["KDSR_Upscale", "KDSR_TileUpscale", "KDSR_UpscaleRegions", "KDSR_UpscaleVideo"]


def test_the_host_registers_every_node(host: Host) -> None:
    assert host.nodes == NODES


@pytest.mark.parametrize("node_id", NODES)
def test_every_input_and_output_has_a_short_tooltip(host: Host, node_id: str) -> None:
    info = host.node(node_id).GET_SCHEMA().get_v1_info(host.node(node_id))
    inputs = {**info.input.get("required", {}), **info.input.get("optional", {})}
    assert [name for name, (_, options) in inputs.items() if not options.get("tooltip")] == []
    assert None not in info.output_tooltips
    said = [*(options["tooltip"] for _, options in inputs.values()), *info.output_tooltips]
    assert [text for text in (*said, info.description) if len(text) > LONGEST_TOOLTIP] == []
    assert info.description
    assert info.category == CATEGORIES.get(node_id, "KDSR/more")
    assert info.display_name


@pytest.mark.parametrize("node_id", NODES)
def test_inputs_are_those_that_workflows_hold(host: Host, node_id: str) -> None:
    sections = host.info(node_id)["input_types"]
    assert [*sections.get("required", {}), *sections.get("optional", {})] == INPUTS[node_id]


@pytest.mark.parametrize("node_id", NODES)
def test_nodes_can_be_found_by_other_names(host: Host, node_id: str) -> None:
    assert len(host.node(node_id).GET_SCHEMA().search_aliases) >= 2


@pytest.mark.parametrize("node_id", UPSCALERS)
def test_upscalers_are_found_by_what_people_want(host: Host, node_id: str) -> None:
    schema = host.node(node_id).GET_SCHEMA()
    text = " ".join([*schema.search_aliases, schema.description, schema.display_name]).lower()
    words = ("denoise", "deblur", "4x", "upscale", "jpeg" if "Tile" not in node_id else "large")
    assert [word for word in words if word not in text] == []


def test_the_plain_upscaler_is_found_by_every_word(host: Host) -> None:
    aliases = host.node("KDSR_Upscale").GET_SCHEMA().search_aliases
    assert {"denoise", "deblur", "jpeg artifacts", "sharpen", "enhance", "restore", "4x",
            "upscale"} <= set(aliases)  # fmt: skip


def test_sizes_take_links_from_int_nodes(host: Host) -> None:
    for node_id in UPSCALERS:
        sections = host.info(node_id)["input_types"]
        assert set(sections["required"]["size"][0].split(",")) == {"FLOAT", "INT"}


def test_fields_that_an_older_comfyui_does_not_know_are_left_out(host: Host, monkeypatch) -> None:
    types = host.module("nodes.types")
    known = types._SCHEMA_FIELDS - {"search_aliases"}
    monkeypatch.setattr(types, "_SCHEMA_FIELDS", known)
    shared = host.module("nodes.inputs").IMAGE_INPUT
    for word in ("y", "z"):
        schema = types.schema("X", display_name="x", search_aliases=[word], inputs=[shared])
        assert schema.display_name == "x"
        assert not schema.search_aliases
        assert schema.inputs[0].as_dict()["kdsr_aliases"] == [word], "web/search.js looks there"
    assert "kdsr_aliases" not in shared.as_dict()


def test_the_pack_names_its_web_folder_and_no_old_style_mappings() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    names = {ast.unparse(target) for node in assigned for target in node.targets}
    assert names == {"WEB_DIRECTORY"}  # NODE_CLASS_MAPPINGS, even empty, would hide V3 nodes
    assert not [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]


FORBIDDEN_MODULES = {"subprocess", "importlib", "socket", "requests", "urllib", "ctypes", "pickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen"}


@pytest.mark.parametrize(
    "path",
    [ROOT / "__init__.py", *sorted((ROOT / "nodes").rglob("*.py"))],
    ids=lambda p: p.name,
)
def test_nothing_that_the_registry_rejects(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {a.name.split(".")[0] for a in node.names} & FORBIDDEN_MODULES
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN_MODULES
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert name not in FORBIDDEN_CALLS, f"{path.name}:{node.lineno}"
