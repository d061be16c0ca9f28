"""The workflows that ship with the pack, and how they become prompts for a real ComfyUI."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tools.comfy_server import PACK, ComfyServer, comfy_python

FOLDER = PACK / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))

# comfy-cli lives in ComfyUI's own environment; its conversion is the frontend's.
_CONVERT = """
import json, sys
from comfy_cli.workflow_to_api import convert_ui_to_api
workflow, info = json.load(sys.stdin)
json.dump(convert_ui_to_api(workflow, info), sys.stdout)
"""


def read(name: str) -> dict[str, Any]:
    """A workflow as the frontend saves it."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def to_api(workflow: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """Converts a workflow of the frontend to a prompt for the server."""
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
    """What a person calls a node of a workflow."""
    return node.get("title") or node["type"]


def shown(
    server: ComfyServer, name: str, entry: dict[str, Any]
) -> dict[str, dict[str, list[Path]]]:
    """The files that a run made: by the titles of their nodes, then by what they are to them."""
    titles = {str(node["id"]): title(node) for node in read(name)["nodes"]}
    files: dict[str, dict[str, list[Path]]] = {}
    for node_id, output in entry["outputs"].items():
        for kind, items in output.items():
            paths = [server.base / i["type"] / i["subfolder"] / i["filename"]
                     for i in items if isinstance(i, dict) and "filename" in i]  # fmt: skip
            if paths:
                files.setdefault(titles[node_id], {})[kind] = paths
    return files
