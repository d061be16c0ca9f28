"""What the nodes declare, read by a V3 host."""

import ast
from pathlib import Path

import pytest

from tests.support.comfy_host import Host
from tests.support.node_ids import NODES
from tests.support.places import ROOT

# Ids and their inputs never change once released: workflows hold them.
INPUTS = {
    "KDSR_Load": ["model", "precision", "hub_id", "crispness"],
    "KDSR_EstimateIDR": ["model", "image", "mode", "smoothing", "scene_cut", "wrap", "mask"],
    "KDSR_Upscale": [
        "model", "image", "size_by", "size", "fit_height", "idr", "strength", "wrap",
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
        "model", "video", "size_by", "size", "fit_height", "mode", "smoothing", "scene_cut", "crf",
        "idr", "strength",
    ],
    "KDSR_InspectIDR": ["idr", "other", "model", "image", "language"],
    "KDSR_BlendIDR": ["idr_a", "weight", "idr_b", "preset", "model"],
    "KDSR_SaveIDR": ["idr", "filename_prefix"],
    "KDSR_LoadIDR": ["file"],
    "KDSR_BakeUpscaleModel": ["model", "idr", "save_as"],
    "KDSR_Sample": ["sample"],
    "KDSR_Compare": ["before", "after"],
}  # fmt: skip


def test_the_host_registers_every_node(host: Host) -> None:
    assert host.nodes == NODES


@pytest.mark.parametrize("node_id", NODES)
def test_every_input_and_output_has_a_tooltip(host: Host, node_id: str) -> None:
    info = host.node(node_id).GET_SCHEMA().get_v1_info(host.node(node_id))
    inputs = {**info.input.get("required", {}), **info.input.get("optional", {})}
    assert [name for name, (_, options) in inputs.items() if not options.get("tooltip")] == []
    assert None not in info.output_tooltips
    assert info.description
    assert info.category == "KDSR"
    assert info.display_name


@pytest.mark.parametrize("node_id", NODES)
def test_inputs_are_those_that_workflows_hold(host: Host, node_id: str) -> None:
    sections = host.info(node_id)["input_types"]
    assert [*sections.get("required", {}), *sections.get("optional", {})] == INPUTS[node_id]


@pytest.mark.parametrize("node_id", NODES)
def test_nodes_can_be_found_by_other_names(host: Host, node_id: str) -> None:
    assert len(host.node(node_id).GET_SCHEMA().search_aliases) >= 2


def test_fields_that_an_older_comfyui_does_not_know_are_left_out(host: Host, monkeypatch) -> None:
    types = host.module("nodes.types")
    known = types._SCHEMA_FIELDS - {"search_aliases"}
    monkeypatch.setattr(types, "_SCHEMA_FIELDS", known)
    schema = types.schema("X", display_name="x", search_aliases=["y"])
    assert schema.display_name == "x"
    assert not schema.search_aliases


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
