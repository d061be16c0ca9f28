"""What the workflows make in a real ComfyUI, and what it serves of the pack."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tests.support.clips import frames_of
from tests.support.films import packets_of
from tests.support.places import ROOT, SAMPLES
from tools.comfy_server import PACK, ComfyServer, comfy_python
from tools.comfy_workflows import FOLDER, NAMES, read, shown, to_api

pytestmark = pytest.mark.comfy

Shown = dict[str, dict[str, list[Path]]]


@pytest.fixture(scope="module")
def ran(comfy: ComfyServer) -> Callable[[str], Shown]:
    """Runs a workflow by its number, once; gives the files it made."""
    entries: dict[str, Shown] = {}
    info = comfy.object_info()

    def run(number: str) -> Shown:
        if number not in entries:
            name = next(name for name in NAMES if name.startswith(number))
            entries[number] = shown(comfy, name, comfy.run(to_api(read(name), info)))
        return entries[number]

    return run


def pixels(file: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    with Image.open(file) as image:
        return np.array(image.convert("RGB"))


def compared(files: Shown, title: str) -> tuple[np.ndarray, np.ndarray]:
    """What the slider of that title shows left and right."""
    return pixels(files[title]["kdsr_before"][0]), pixels(files[title]["kdsr_after"][0])


# What the library makes of the sample, by the same interpreter and torch as ComfyUI.
_LIBRARY = """
import pathlib, sys, numpy, kdsr
from kdsr.files.images import read_image
sr = kdsr.load("photo").upscale(read_image(pathlib.Path(sys.argv[1])).rgb)
numpy.save(sys.argv[2], (255 * sr[0].permute(1, 2, 0).numpy()).clip(0, 255).astype(numpy.uint8))
"""


def library_result(lq: Path, folder: Path) -> np.ndarray:
    """(H, W, 3) uint8, cut to 8 bit as Save Image does it."""
    out = folder / "sr.npy"
    command = [str(comfy_python()), "-c", _LIBRARY, str(lq), str(out)]
    done = subprocess.run(command, cwd=PACK, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(out)


def test_the_first_workflow_gives_the_pixels_of_the_library(ran, tmp_path: Path) -> None:
    files = ran("01")
    expected = library_result(SAMPLES / "example.png", tmp_path)
    assert np.array_equal(pixels(files["SaveImage"]["images"][0]), expected)
    before, after = compared(files, "Before | after")
    assert np.array_equal(after, expected)
    assert before.shape == after.shape
    assert not np.array_equal(before, after)


def test_an_upscaled_video_keeps_its_frames_and_the_very_packets_of_its_sound(ran) -> None:
    pytest.importorskip("av")
    file = ran("02")["SaveVideo"]["images"][0]
    rate, frames = frames_of(file)
    assert (rate, frames.shape) == (8, (8, 448, 640, 3))
    assert packets_of(file, "audio") == packets_of(SAMPLES / "pan.mp4", "audio") != []


def test_a_batch_of_frames_keeps_the_sound_of_its_video(ran) -> None:
    av = pytest.importorskip("av")
    with av.open(str(ran("12")["SaveVideo"]["images"][0])) as clip:
        assert len(clip.streams.audio) == 1
        assert clip.streams.video[0].average_rate == 8
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    with av.open(str(SAMPLES / "pan.mp4")) as source, av.open(str(clip.name)) as clip:
        sounds = [sound(one) for one in (source, clip)]
    assert len(frames) == 8
    assert frames[0].shape == (448, 640, 3)
    length = min(map(len, sounds))
    assert length > 0.9 * 44100
    assert np.corrcoef(sounds[0][:length], sounds[1][:length])[0, 1] > 0.99


def sound(clip: Any) -> np.ndarray:
    """Mono samples."""
    return np.concatenate([frame.to_ndarray().mean(0) for frame in clip.decode(audio=0)])


def test_tiled_equals_whole_in_the_workflow_that_says_so(ran) -> None:
    files = ran("03")
    assert pixels(files["SaveImage"]["images"][0]).std() > 10
    assert pixels(files["Difference: black"]["images"][0]).max() == 0


def test_wrapped_textures_continue_at_their_other_edge(ran) -> None:
    cut, wrapped = (step_at_seam(half) for half in compared(ran("05"), "With a seam | seamless"))
    assert wrapped < cut / 1.2


def step_at_seam(picture: np.ndarray) -> float:
    """Mean difference of the two columns in the middle, where two copies meet."""
    columns = picture.astype(float)[:, picture.shape[1] // 2 - 1 : picture.shape[1] // 2 + 1]
    return float(np.abs(np.diff(columns, axis=1)).mean())


def test_seams_show_where_tiles_do_not_overlap(ran) -> None:
    seams, whole = compared(ran("11"), "No overlap | exact overlap")
    difference = np.abs(seams.astype(float) - whole).mean((0, 2))
    middle = len(difference) // 2
    assert difference[middle - 2 : middle + 2].mean() > 2 * difference[: middle // 2].mean()
    assert step_at_seam(seams) > step_at_seam(whole)


SEEDVR2 = "16"
CORES_OWN = "/templates/utility_seedvr2_3b_int8_upscale_image.json"


def with_seedvr2(comfy: ComfyServer) -> dict[str, Any]:
    """The workflow with the bypassed subgraph on, for a ComfyUI that has its nodes."""
    if "SeedVR2Preprocess" not in comfy.object_info():
        pytest.skip(f"ComfyUI {comfy.version} has no nodes of SeedVR2")
    workflow = read(next(name for name in NAMES if name.startswith(SEEDVR2)))
    (outer,) = (node for node in workflow["nodes"] if "kdsr_optional" in node["properties"])
    outer["mode"] = 0
    return workflow


def test_the_picture_for_seedvr2_is_saved_without_it(ran) -> None:
    saved = pixels(ran(SEEDVR2)["SaveImage"]["images"][0])
    assert saved.shape[0] * saved.shape[1] == pytest.approx(0.35 * 1024**2, rel=0.01)


def test_seedvr2_lacks_nothing_but_its_two_files(comfy: ComfyServer) -> None:
    prompt = to_api(with_seedvr2(comfy), comfy.object_info())
    answer = json.loads(comfy.refusal(prompt))
    lacking = {e["class_type"]: e["errors"] for e in answer["node_errors"].values() if e["errors"]}
    assert set(lacking) == {"UNETLoader", "VAELoader"}
    assert {e["type"] for errors in lacking.values() for e in errors} == {"value_not_in_list"}


def test_seedvr2_is_wired_as_in_comfyuis_own_template(comfy: ComfyServer) -> None:
    info = comfy.object_info()
    ours = wires(to_api(with_seedvr2(comfy), info))
    cores = wires(to_api(comfy.get_json(CORES_OWN), info))
    assert len(ours) == 9
    assert ours == cores


def wires(prompt: dict[str, Any]) -> set[tuple[str, str, str, int]]:
    """What goes into the nodes of SeedVR2 and its sampler, whatever node enlarges the picture."""
    return {
        (node["class_type"], name, resizing(prompt[value[0]]["class_type"]), value[1])
        for node in prompt.values()
        for name, value in node["inputs"].items()
        if isinstance(value, list) and node["class_type"].startswith(("SeedVR2", "KSampler"))
    }


def resizing(class_type: str) -> str:
    return "resize" if class_type in ("ImageScaleBy", "ResizeImageMaskNode") else class_type


OLD = sorted((ROOT / "tests/pack/old").glob("*.json"))
"""Workflows as the pack shipped them before KDSR Upscale had a choice of model."""


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_workflows_of_earlier_versions_run_as_they_were(comfy: ComfyServer, path: Path) -> None:
    prompt = to_api(json.loads(path.read_text(encoding="utf-8")), comfy.object_info())
    (loader,) = (node for node in prompt.values() if node["class_type"] == "KDSR_Load")
    assert loader["inputs"]["model"] == "kdsr-s-x4"
    comfy.run(prompt)


def test_templates_and_their_thumbnails_are_served(comfy: ComfyServer) -> None:
    assert sorted(comfy.get_json("/api/workflow_templates")["kdsr"]) == NAMES
    for name in NAMES:
        address = f"/api/workflow_templates/kdsr/{quote(name)}"
        assert comfy.get_json(f"{address}.json") == read(name)
        assert comfy.get(f"{address}.jpg") == (FOLDER / f"{name}.jpg").read_bytes()


def test_translations_are_served(comfy: ComfyServer) -> None:
    served = comfy.get_json("/api/i18n")
    for file in sorted((PACK / "locales").glob("*/nodeDefs.json")):
        words = json.loads(file.read_text(encoding="utf-8"))
        in_language = served[file.parent.name]["nodeDefs"]
        assert {k: v for k, v in in_language.items() if k in words} == words


def test_help_pages_and_their_pictures_are_served(comfy: ComfyServer) -> None:
    docs = PACK / "web" / "docs"
    files = [path for path in docs.rglob("*") if path.is_file()]
    assert files
    for path in files:
        served = comfy.get(f"/extensions/kdsr/docs/{path.relative_to(docs).as_posix()}")
        assert served == path.read_bytes()
