"""Reads the pack's workflows and converts them to prompts for a real ComfyUI."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tools.comfy_server import PACK, ComfyServer, comfy_python

FOLDER = PACK / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))

# comfy-cli is in ComfyUI's own environment; its conversion equals the frontend's.
_CONVERT = """
import json, sys
from comfy_cli.workflow_to_api import convert_ui_to_api
workflow, info = json.load(sys.stdin)
json.dump(convert_ui_to_api(workflow, info), sys.stdout)
"""


def read(name: str) -> dict[str, Any]:
    """Reads a workflow in the frontend's format."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def to_api(workflow: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """Converts a workflow from the frontend's format to a prompt for the server."""
    done = subprocess.run(
        [str(comfy_python()), "-c", _CONVERT],
        input=json.dumps([workflow, object_info]),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def title(node: dict[str, Any]) -> str:
    """The visible title of a node in a workflow."""
    return node.get("title") or node["type"]


def shown(
    server: ComfyServer, name: str, entry: dict[str, Any]
) -> dict[str, dict[str, list[Path]]]:
    """Files of a run: by title of their node, then by the kind of output."""
    titles = {str(node["id"]): title(node) for node in read(name)["nodes"]}
    files: dict[str, dict[str, list[Path]]] = {}
    for node_id, output in entry["outputs"].items():
        for kind, items in output.items():
            paths = [server.base / i["type"] / i["subfolder"] / i["filename"]
                     for i in items if isinstance(i, dict) and "filename" in i]  # fmt: skip
            if paths:
                files.setdefault(titles[node_id], {})[kind] = paths
    return files
