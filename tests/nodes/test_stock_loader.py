"""ComfyUI's own upscaling nodes with KDSR files, in a real ComfyUI with the pack."""

import shutil

import pytest

import kdsr
from kdsr import KDSR
from tests.nodes.test_server import assert_equal_to_8_bits, node, photo_file, read
from tests.support.places import GOLDEN
from tools.comfy_server import ComfyServer

pytestmark = pytest.mark.comfy


def stock_prompt(image: str, model: str) -> dict:
    return {
        "1": node("UpscaleModelLoader", model_name=model),
        "2": node("LoadImage", image=image),
        "3": node("ImageUpscaleWithModel", upscale_model=["1", 0], image=["2", 0]),
        "4": node("SaveImage", images=["3", 0], filename_prefix="stock"),
    }


def test_load_upscale_model_offers_the_bundled_models_and_writes_nothing(
    comfy: ComfyServer,
) -> None:
    info = comfy.object_info()["UpscaleModelLoader"]["input"]["required"]["model_name"]
    offered = info[0] if isinstance(info[0], list) else info[1]["options"]
    assert {"kdsr-s-x4.safetensors", "kdsr-s-x4-classic.safetensors"} <= set(offered)
    assert not any(name.endswith(".md") or "-x1" in name for name in offered)
    assert not list((comfy.base / "models" / "upscale_models").glob("*"))


def test_the_stock_nodes_give_the_librarys_result(comfy: ComfyServer, bundled: KDSR) -> None:
    image = photo_file(comfy, 60, 44)
    entry = comfy.run(stock_prompt(image, "kdsr-s-x4.safetensors"))
    expected = bundled.upscale(read(comfy.input / image), dtype="fp32")
    assert_equal_to_8_bits(read(comfy.saved(entry)[0]), expected)


def test_alpha_is_refused_in_a_sentence_that_says_what_to_do(comfy: ComfyServer) -> None:
    prompt = stock_prompt(photo_file(comfy, 20, 24), "kdsr-s-x4.safetensors")
    prompt["5"] = node("JoinImageWithAlpha", image=["2", 0], alpha=["2", 1])
    prompt["3"]["inputs"]["image"] = ["5", 0]
    error = comfy.messages(comfy.wait(comfy.queue(prompt)))["execution_error"]
    assert error["node_id"] == "3"
    assert "take the alpha off before: in ComfyUI put Split Image" in error["exception_message"]


def test_a_saved_baked_model_loads_and_gives_what_was_baked(
    comfy: ComfyServer, bundled: KDSR
) -> None:
    image = photo_file(comfy, 60, 44)
    baking = {
        "1": node("KDSR_Load", model="kdsr-s-x4", precision="fp32"),
        "2": node("LoadImage", image=image),
        "3": node("KDSR_EstimateIDR", model=["1", 0], image=["2", 0], mode="per image",
                  smoothing=0.8, scene_cut=5, wrap="none"),
        "4": node("KDSR_BakeUpscaleModel", model=["1", 0], idr=["3", 0], save_as="film"),
    }  # fmt: skip
    comfy.run(baking)
    saved = comfy.base / "models" / "upscale_models" / "film_00001_.safetensors"
    try:
        entry = comfy.run(stock_prompt(image, saved.name))
    finally:
        saved.unlink()
    lq = read(comfy.input / image)
    assert_equal_to_8_bits(read(comfy.saved(entry)[0]), bundled.upscale(lq, dtype="fp32"))


def test_an_official_checkpoint_of_the_users_loads_too(comfy: ComfyServer) -> None:
    folder = comfy.base / "models" / "upscale_models"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(GOLDEN / "gan_student_x4.pth", folder)
    image = photo_file(comfy, 36, 28)
    try:
        entry = comfy.run(stock_prompt(image, "gan_student_x4.pth"))
    finally:
        (folder / "gan_student_x4.pth").unlink()
    model = kdsr.load(GOLDEN / "gan_student_x4.pth")
    assert_equal_to_8_bits(
        read(comfy.saved(entry)[0]), model.upscale(read(comfy.input / image), dtype="fp32")
    )
