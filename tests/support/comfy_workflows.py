"""The workflows that ship with the pack, and how they are run in a real ComfyUI."""

import json
import shutil
import subprocess
from typing import Any

from tests.support.comfy_server import ComfyServer, comfy_python
from tests.support.places import ROOT

FOLDER = ROOT / "workflows"
INPUTS = FOLDER / "inputs"
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


def ship_inputs(server: ComfyServer) -> None:
    """What the notes in the workflows ask for: the samples, in ComfyUI's input folder."""
    for path in INPUTS.glob("kdsr_*"):
        shutil.copy(path, server.input)
