"""What the pack adds to ComfyUI's page: buttons, file names, colours, words."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from kdsr.meaning.readings import wording
from tests.conftest import make_tiny
from tests.support.comfy import VUE_SINCE
from tools.comfy_browser import Frontend, within
from tools.comfy_server import PACK
from tools.comfy_workflows import NAMES, read

pytestmark = pytest.mark.comfy

(INSPECT,) = (name for name in NAMES if "Inspect" in name)


def only(page: Frontend, *node_types: str) -> None:
    """Leaves nothing on the canvas but new nodes of these types."""
    page.driver.execute_script(
        """
        app.graph.clear()
        arguments[0].forEach((type, i) => {
            const node = LiteGraph.createNode(type)
            node.pos = [100 + 400 * i, 100]
            app.graph.add(node)
        })
        """,
        node_types,
    )
    page.settle()  # widgets and words are added a moment later


def widget(page: Frontend, name: str) -> Any:
    """The value of a widget of the first node."""
    return page.driver.execute_script(
        "return app.graph.nodes[0].widgets.find(w => w.name === arguments[0]).value", name
    )


@pytest.fixture
def idr_file(tmp_path: Path) -> Path:
    """An IDR that no ComfyUI has yet."""
    path = tmp_path / f"{tmp_path.name}.safetensors"
    make_tiny().estimate(torch.rand(1, 3, 12, 10)).save(path)
    return path


def assert_uploaded(page: Frontend, file: Path) -> None:
    """The only node, Load IDR, has the file, chooses it, and keeps nothing else."""
    page.wait_for(f"return app.graph.nodes[0].widgets[0].value === '{file.name}'")
    assert (page.server.input / file.name).read_bytes() == file.read_bytes()
    (queued,) = page.prompt().values()
    assert queued["inputs"] == {"file": file.name}
    saved = page.driver.execute_script("return app.graph.serialize().nodes[0].widgets_values")
    assert saved == [file.name]


def test_load_idr_uploads_a_file_and_chooses_it(canvas: Frontend, idr_file: Path) -> None:
    from selenium.webdriver.common.by import By

    only(canvas, "KDSR_LoadIDR")
    # Nobody is there to choose: an open dialog would be closed as if it were cancelled.
    canvas.driver.execute_cdp_cmd("Page.setInterceptFileChooserDialog", {"enabled": True})
    if canvas.driver.execute_script("return !!LiteGraph.vueNodesMode"):
        button = "//*[@data-node-id]//button[contains(., 'choose file to upload')]"
        canvas.driver.find_element(By.XPATH, button).click()
    else:  # drawn, with nothing to click on but the canvas
        canvas.driver.execute_script(
            "app.graph.nodes[0].widgets.find(w => w.name === 'upload').callback()"
        )
    canvas.driver.find_element(By.CLASS_NAME, "kdsr-upload").send_keys(str(idr_file))
    assert_uploaded(canvas, idr_file)


_DROP = """
const [name, bytes] = arguments
const node = app.graph.nodes[0], canvas = app.canvas.canvas, ds = app.canvas.ds
const files = new DataTransfer()
files.items.add(new File([new Uint8Array(bytes)], name))
const drawn = LiteGraph.vueNodesMode && document.querySelector(`[data-node-id="${node.id}"]`)
const page = canvas.getBoundingClientRect()
const clientX = page.left + (node.pos[0] + 20 + ds.offset[0]) * ds.scale
const clientY = page.top + (node.pos[1] + 10 + ds.offset[1]) * ds.scale
for (const type of ["dragover", "drop"])
    (drawn || canvas).dispatchEvent(new DragEvent(
        type, {bubbles: true, cancelable: true, dataTransfer: files, clientX, clientY}
    ))
"""


def test_load_idr_takes_a_file_that_is_dropped_on_it(canvas: Frontend, idr_file: Path) -> None:
    only(canvas, "KDSR_LoadIDR")
    canvas.driver.execute_script(_DROP, idr_file.name, list(idr_file.read_bytes()))
    assert_uploaded(canvas, idr_file)


LISTED = "return app.graph.nodes[0].widgets.find(w => w.name === 'model').options.values"
FIRST = ["photo", "faithful"]


def test_load_kdsr_lists_what_people_have_and_more_when_asked(canvas: Frontend) -> None:
    only(canvas, "KDSR_Load")
    assert canvas.driver.execute_script(LISTED) == FIRST
    canvas.driver.execute_script(
        "const toggle = app.graph.nodes[0].widgets.find(w => w.name === 'other_models');"
        "toggle.value = true; toggle.callback(true)"
    )
    listed = canvas.driver.execute_script(LISTED)
    assert "kdsr-s-x2-crisp" in listed
    assert not {"kdsr-s-x4-real", "kdsr-s-x4-classic"} & set(listed)
    (queued,) = canvas.prompt().values()
    assert set(queued["inputs"]) == {"model", "precision", "hub_id", "crispness"}


@pytest.mark.parametrize(("model", "dial"), [("kdsr-s-x4-crisp", 0.5), ("kdsr-s-x4-real", 1)])
def test_a_workflow_that_names_a_model_keeps_it(canvas: Frontend, model: str, dial: float) -> None:
    only(canvas, "KDSR_Load")
    saved = canvas.driver.execute_script("return app.graph.serialize()")
    saved["nodes"][0]["widgets_values"] = [model, "fp32", "", dial]
    canvas.driver.execute_async_script(
        "const [flow, done] = arguments; app.loadGraphData(flow).then(() => done())", saved
    )
    (queued,) = canvas.prompt().values()
    expected = {"model": model, "precision": "fp32", "hub_id": "", "crispness": dial}
    assert queued["inputs"] == expected
    assert "kdsr-s-x2-crisp" in canvas.driver.execute_script(LISTED)


NOTE = "800 x 640 px by kdsr-s-x4-photo"
NOTES = """
return app.graph.nodes.filter(n => n.type.startsWith('KDSR_')).map(n =>
    [n.type, n.widgets.find(w => w.name === 'kdsr_note')?.element_.textContent ?? ''])
"""


@pytest.mark.parametrize(
    ("model", "queued"), [("kdsr-s-x4-crisp", 0.5), ("photo", 1), ("faithful", 1)]
)
def test_a_dial_that_means_nothing_runs_no_model_again(
    canvas: Frontend, model: str, queued: float
) -> None:
    only(canvas, "KDSR_Load")
    canvas.driver.execute_script(_ASK, "KDSR_Load", "crispness", 0.5)
    canvas.driver.execute_script(_ASK, "KDSR_Load", "model", model)
    (node,) = canvas.prompt().values()
    assert node["inputs"]["crispness"] == queued
    saved = canvas.driver.execute_script("return app.graph.serialize().nodes[0].widgets_values")
    assert 0.5 in saved, "the dial stays where it is for a model that has one"


OTHER_NOTE = "400 x 320 px by kdsr-s-x2-photo"
_ASK = """
const [type, name, value] = arguments
const node = app.graph.nodes.find(n => n.type === type)
const widget = node.widgets.find(w => w.name === name)
widget.value = value
widget.callback?.(value, app.canvas, node)
"""
NO_PREVIEW = """
const node = app.graph.nodes.find(n => n.type === 'KDSR_Upscale')
return !node.imgs?.length && !document.querySelector(`[data-node-id="${node.id}"] img`)
"""


def test_what_a_node_says_stays_after_the_run(canvas: Frontend) -> None:
    canvas.open_template(NAMES[0])
    canvas.settle()
    before = canvas.boxes()
    canvas.run()
    canvas.wait_for(NO_PREVIEW)
    said = dict(canvas.driver.execute_script(NOTES))
    assert said["KDSR_Upscale"] == NOTE
    (node,) = (str(n["id"]) for n in read(NAMES[0])["nodes"] if n["type"] == "KDSR_Upscale")

    def grown() -> float:
        return canvas.boxes()[node][3] - before[node][3]

    # A line of text; a preview takes more than a hundred pixels.
    assert within(60, lambda: grown() < 50), f"{grown()} px taller than before the run"
    canvas.driver.execute_script(_ASK, "KDSR_Upscale", "size_by", "longest side")
    canvas.driver.execute_script(_ASK, "KDSR_Upscale", "size", 400)
    canvas.run()
    assert dict(canvas.driver.execute_script(NOTES))["KDSR_Upscale"] == OTHER_NOTE
    row = 40  # of the size
    assert within(60, lambda: grown() < 50 + row), f"{grown()} px taller than before two runs"


def test_what_a_node_says_is_back_when_the_page_was_loaded_anew(page: Frontend) -> None:
    upscale = page.server.object_info()["KDSR_Upscale"]
    if not upscale.get("has_intermediate_output"):
        pytest.skip(f"ComfyUI {page.server.version} sends the words of a node only when it runs")
    page.load()
    page.open_template(NAMES[0])
    page.run()
    page.load()
    page.open_template(NAMES[0])
    assert dict(page.driver.execute_script(NOTES))["KDSR_Upscale"] == ""
    entry = page.run()
    assert "3" in page.server.messages(entry)["execution_cached"]["nodes"]
    assert dict(page.driver.execute_script(NOTES))["KDSR_Upscale"] == NOTE


def test_save_idr_fills_in_dates_and_fields_of_other_nodes(page: Frontend) -> None:
    page.load()
    only(page, "KDSR_SaveIDR", "KDSR_Load")
    page.driver.execute_script(
        "app.graph.nodes[0].widgets[0].value = 'a/%date:yyyy-MM-dd%_%KDSR_Load.precision%'"
    )
    queued = next(n for n in page.prompt().values() if n["class_type"] == "KDSR_SaveIDR")
    assert queued["inputs"]["filename_prefix"] == f"a/{time.strftime('%Y-%m-%d')}_auto"
    assert widget(page, "filename_prefix").startswith("a/%date")


_SEEDVR2 = """
const host = app.graph.nodes.find(n => n.isSubgraphNode?.())
const save = app.graph.nodes.find(n => n.type === 'SaveImage')
const from = app.graph.getNodeById(app.graph.getLink(save.inputs[0].link).origin_id)
return [host?.mode ?? null, from.type]
"""
(SEEDVR2,) = (name for name in NAMES if "SeedVR2" in name)


def test_a_template_leaves_out_nodes_that_are_not_there_and_uses_files_that_are(
    page: Frontend,
) -> None:
    (subgraph,) = read(SEEDVR2)["definitions"]["subgraphs"]
    page.stay()
    page.open_template(SEEDVR2)
    if "SeedVR2Preprocess" not in page.server.object_info():
        assert page.driver.execute_script(_SEEDVR2) == [None, "ImageScaleToTotalPixels"]
        return
    assert page.driver.execute_script(_SEEDVR2) == [4, subgraph["id"]], "bypassed"
    models = [m for node in subgraph["nodes"] for m in node["properties"].get("models", [])]
    files = [page.server.base / "models" / m["directory"] / m["name"] for m in models]
    assert len(files) == 2
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    try:
        page.load()
        page.open_template(SEEDVR2)
        assert page.driver.execute_script(_SEEDVR2) == [0, subgraph["id"]], "on"
    finally:
        for file in files:
            file.unlink()
        page.leave()  # whoever is next loads the lists anew


_LONGEST = """
for (const node of app.graph.nodes) for (const {type, options} of node.widgets ?? []) {
    const widget = node.widgets.find(w => w.options === options)
    if (type !== 'combo' || !options.getOptionLabel) continue
    const length = value => options.getOptionLabel(value).length
    widget.value = [...options.values].sort((a, b) => length(b) - length(a))[0]
}
"""
_CUT = """
return [...document.querySelectorAll('[data-node-id] *')]
    .filter(e => !e.children.length && e.textContent.trim() && e.scrollWidth > e.clientWidth + 1)
    .filter(e => getComputedStyle(e).overflowX === 'hidden')
    .map(e => e.textContent)
"""


def test_new_nodes_are_wide_enough_for_every_choice(page: Frontend) -> None:
    if page.server.version < VUE_SINCE:
        pytest.skip("the classic canvas gives no account of what it cuts")
    page.stay()
    page.use_vue_nodes(True)
    only(page, "KDSR_Load", "KDSR_Upscale", "KDSR_EstimateIDR", "KDSR_Sample", "KDSR_BlendIDR")
    page.driver.execute_script(_LONGEST)
    page.settle()
    shown = page.driver.execute_script("return document.body.innerText")
    assert "smoothed over frames" in shown
    assert page.driver.execute_script(_CUT) == []
    page.use_vue_nodes(False)


_SEARCH = """
const stores = document.querySelector('#vue-app').__vue_app__.config.globalProperties.$pinia._s
const search = stores.get('nodeDef').nodeSearchService
return search.searchNode(arguments[0], [], {limit: 64}).map(node => node.name)
"""
WANTED = ("denoise", "deblur", "jpeg artifacts", "sharpen", "enhance", "restore", "4x", "upscale")


def test_the_search_box_finds_the_upscalers_by_what_people_want(page: Frontend) -> None:
    page.stay()
    for word in WANTED:
        found = page.driver.execute_script(_SEARCH, word)
        assert "KDSR_Upscale" in found, word
        assert len(found) == len(set(found)), word


LANGUAGES = sorted(path.name for path in (PACK / "locales").iterdir() if path.name != "en")


@pytest.fixture(scope="module", params=LANGUAGES)
def translated(request: pytest.FixtureRequest, page: Frontend) -> Iterator[tuple[Frontend, Any]]:
    """The page in another language, with its texts by the names of their files."""
    page.server.post("/settings", {"Comfy.Locale": request.param})
    page.load()
    files = (PACK / "locales" / request.param).glob("*.json")
    yield page, {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    page.server.post("/settings", {"Comfy.Locale": "en"})
    page.leave()  # whoever is next loads it anew


def test_templates_speak_the_language_of_the_page(translated: tuple[Frontend, Any]) -> None:
    page, texts = translated
    page.open_template(NAMES[0])
    titles, note = page.driver.execute_script(
        "return [app.graph.nodes.map(n => n.title),"
        " app.graph.nodes.find(n => n.type === 'MarkdownNote').widgets[0].value]"
    )
    nodes, ours = texts["nodeDefs"], texts["main"]["kdsr"]
    assert {nodes[id_]["display_name"] for id_ in ("KDSR_Sample", "KDSR_Upscale")} <= set(titles)
    assert ours["titles"]["Before {'|'} after"].replace("{'|'}", "|") in titles
    assert note == ours["notes"]["01"]


def test_notes_that_a_person_changed_stay_as_they_are(translated: tuple[Frontend, Any]) -> None:
    page, _ = translated
    workflow = read(NAMES[0])
    (note,) = (n for n in workflow["nodes"] if n["type"] == "MarkdownNote")
    note["widgets_values"] = ["Mine."]
    page.driver.execute_async_script(
        "const [flow, done] = arguments; app.loadGraphData(flow).then(() => done())", workflow
    )
    kept = page.driver.execute_script(
        "return app.graph.nodes.filter(n => n.type === 'MarkdownNote').map(n => n.widgets[0].value)"
    )
    assert kept == ["Mine."]


def test_choices_are_shown_translated_and_saved_in_english(
    translated: tuple[Frontend, Any],
) -> None:
    page, texts = translated
    if page.server.version < VUE_SINCE:
        pytest.skip(f"the page of ComfyUI {page.server.version} shows choices as they are saved")
    label = texts["nodeDefs"]["KDSR_Upscale"]["inputs"]["size_by"]["options"]["model factor"]
    page.use_vue_nodes(True)
    only(page, "KDSR_Upscale")
    shown = page.driver.execute_script("return document.querySelector('[data-node-id]').innerText")
    assert label in shown.split("\n")
    page.use_vue_nodes(False)
    drawn = "return app.graph.nodes[0].widgets.find(w => w.name === 'size_by')._displayValue"
    assert page.driver.execute_script(drawn) == label
    assert page.prompt()["1"]["inputs"]["size_by"] == "model factor"
    only(page, "KDSR_Load")
    drawn = drawn.replace("size_by", "model")
    label = texts["nodeDefs"]["KDSR_Upscale"]["inputs"]["purpose"]["options"]["photo"]
    assert page.driver.execute_script(drawn) == label
    assert page.prompt()["1"]["inputs"]["model"] == "photo"


def test_inspect_idr_answers_in_the_language_of_the_page(translated: tuple[Frontend, Any]) -> None:
    page, _ = translated
    language = page.driver.execute_script("return app.ui.settings.getSettingValue('Comfy.Locale')")
    for vue in (False, True) if page.server.version >= VUE_SINCE else (False,):
        page.use_vue_nodes(vue)
        page.open_template(INSPECT)
        (node,) = (n for n in page.prompt().values() if n["class_type"] == "KDSR_InspectIDR")
        assert node["inputs"]["language"] == language
        hidden, saved = page.driver.execute_script(
            """
            const node = app.graph.nodes.find(n => n.type === 'KDSR_InspectIDR')
            const widget = node.widgets.find(w => w.name === 'language')
            return [widget.hidden && widget.options.hidden, node.serialize().widgets_values ?? []]
            """
        )
        assert hidden
        assert saved == [], "a file is for people of every language"
    page.use_vue_nodes(False)
    entry = page.run()
    (text,) = (out["text"][0] for out in entry["outputs"].values() if "text" in out)
    assert f"\n{wording(language)('second:')}\n" in text


def test_our_types_have_colours_that_outlive_another_palette(page: Frontend) -> None:
    page.load()
    for palette in ("light", "dark"):  # the usual one last
        page.driver.execute_async_script(
            "app.extensionManager.setting.set('Comfy.ColorPalette', arguments[0])"
            ".then(() => setTimeout(arguments[1], 1000))",
            palette,
        )
        found = page.driver.execute_script(
            """
            const css = getComputedStyle(document.documentElement)
            return ['KDSR_MODEL', 'KDSR_IDR'].map(type => [
                LGraphCanvas.link_type_colors[type],
                app.canvas.default_connection_color_byType[type],
                css.getPropertyValue(`--color-datatype-${type}`).trim(),
            ])
            """
        )
        assert found == [["#d9985f"] * 3, ["#e86fa8"] * 3], palette
