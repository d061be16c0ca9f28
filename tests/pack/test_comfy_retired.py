"""A workflow that was saved with choices that no list offers any more, in a real ComfyUI."""

import json
from typing import Any

import pytest

from tests.support.places import ROOT
from tools.comfy_browser import Frontend, as_json
from tools.comfy_server import ComfyServer
from tools.comfy_workflows import to_api

pytestmark = pytest.mark.comfy

SAVED = json.loads((ROOT / "tests/pack/retired.json").read_text(encoding="utf-8"))
RETIRED = "old or recompressed"
NOTE = "old or recompressed was retired, photo takes its place"
NOTES = {
    "KDSR_Upscale": ["200 x 160 px by kdsr-s-x1-crisp; " + NOTE, "400 x 320 px by kdsr-s-x2-photo"],
    "KDSR_Load": [NOTE],
    "KDSR_UpscaleVideo": ["8 frames of 160 x 112 px by kdsr-s-x1-crisp; " + NOTE],
}
SHOWN = """
return app.graph.nodes.filter(n => n.type.startsWith('KDSR_')).map(n =>
    [n.type, n.widgets.find(w => w.name === 'kdsr_note')?.element_.textContent ?? ''])
"""


def chosen(prompt: dict[str, Any]) -> list[str]:
    """What the nodes of a prompt that nothing is linked to have chosen."""
    inputs = [node["inputs"] for node in prompt.values()]
    unlinked = [i for i in inputs if not isinstance(i.get("model"), list)]
    return [i[name] for i in unlinked for name in ("purpose", "model") if name in i]


def test_a_workflow_with_a_retired_purpose_runs_and_says_what_took_its_place(
    comfy: ComfyServer,
) -> None:
    prompt = to_api(SAVED, comfy.object_info())
    assert chosen(prompt) == [RETIRED] * 3
    entry = comfy.run(prompt)
    said = {
        kind: [
            text
            for node_id, node in sorted(prompt.items())
            if node["class_type"] == kind
            for text in entry["outputs"][node_id]["kdsr_note"]
        ]
        for kind in NOTES
    }
    assert said == NOTES
    assert all(file.stat().st_size for file in comfy.saved(entry))


def test_a_purpose_that_never_was_is_refused_with_those_that_there_are(comfy: ComfyServer) -> None:
    prompt = to_api(SAVED, comfy.object_info())
    for node in prompt.values():
        if "purpose" in node["inputs"]:
            node["inputs"]["purpose"] = "new"
    answer = json.loads(comfy.refusal(prompt))
    for errors in answer["node_errors"].values():
        assert [error["details"] for error in errors["errors"]] == [
            "purpose - no purpose 'new'; choose one of photo, faithful"
        ]


def test_the_page_keeps_a_retired_purpose_and_offers_none(canvas: Frontend) -> None:
    canvas.driver.execute_async_script(
        "const [flow, done] = arguments; app.loadGraphData(flow).then(() => done())", SAVED
    )
    canvas.settle()
    assert chosen(as_json(canvas.prompt())) == [RETIRED] * 3
    offered = canvas.driver.execute_script(
        "return app.graph.nodes.flatMap(n => n.widgets ?? [])"
        ".filter(w => w.name === 'purpose').map(w => w.options.values)"
    )
    assert offered == [["photo", "faithful"]] * 3
    canvas.run()
    said = canvas.driver.execute_script(SHOWN)
    assert {kind: [text for one, text in said if one == kind] for kind in NOTES} == NOTES
