"""Every node executed by a V3 host, against the library's own result."""

import dataclasses
import math
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from kdsr import IDR
from kdsr.estimation.maps import idr_map
from kdsr.estimation.regions import Regions
from kdsr.files.baked import build_baked
from kdsr.files.weights import save_checkpoint
from kdsr.options import Tiling
from kdsr.pixels import bleed
from tests.conftest import make_calibrated, make_tiny
from tests.support.comfy_host import Host
from tests.support.limits import run_out_of_memory


@pytest.fixture(scope="module")
def tiny_file(host: Host):
    """A tiny model in models/kdsr."""
    save_checkpoint(make_tiny(), host.models / "tiny.safetensors")
    return "tiny.safetensors"


@pytest.fixture
def model(host: Host, tiny_file: str):
    return host.run("KDSR_Load", model=tiny_file, precision="fp32")


def image(batch: int = 1, height: int = 12, width: int = 10, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.rand(batch, height, width, channels, generator=generator)


def bchw(images: torch.Tensor) -> torch.Tensor:
    return images.movedim(-1, 1)


def expected(images: torch.Tensor, idr: IDR | None = None, **options) -> torch.Tensor:
    """The library's result, as an IMAGE."""
    return make_tiny().upscale(bchw(images), idr, dtype="fp32", **options).movedim(1, -1)


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


# ---- loading


def test_the_bundled_model_loads_and_upscales(host: Host, bundled, photo) -> None:
    loaded = host.run("KDSR_Load", model="kdsr-s-x4", precision="fp32")
    lq = photo[..., :24, :32]
    result = host.run("KDSR_Upscale", model=loaded, image=lq.movedim(1, -1))
    close(bchw(result), bundled.upscale(lq, dtype="fp32"))


def test_a_choice_that_is_not_there_is_found_before_running(host: Host) -> None:
    assert host.check("KDSR_Load", model="kdsr-s-x4") is True
    (host.models / "notes.txt").write_text("not a model", encoding="utf-8")
    for model in ("gone.safetensors", "notes.txt", "a\0b.pth", "x" * 5000 + ".pth", 5, ["x"]):
        assert host.check("KDSR_Load", model=model).startswith("no model "), model
        with pytest.raises(RuntimeError, match="no model "):
            host.run("KDSR_Load", model=model)


def test_crispness_is_for_crisp_models_alone(host: Host, tiny_file: str) -> None:
    def loaded(model: str, crispness: float) -> Any:
        return host.run("KDSR_Load", model=model, crispness=crispness, precision="fp32").kdsr

    for model in ("kdsr-s-x4", tiny_file):  # the dial is hidden: where it stands is no matter
        assert loaded(model, 0.5).weights_hash() == loaded(model, 1.0).weights_hash()
    soft, crisp = (loaded("kdsr-s-x4-crisp", c).state_dict() for c in (0.5, 1.0))
    assert not torch.equal(soft["network.head.weight"], crisp["network.head.weight"])


def test_a_dial_that_means_nothing_runs_nothing_again(host: Host, tiny_file: str) -> None:
    def mark(model: str, crispness: float) -> str:
        return host.node("KDSR_Load").fingerprint_inputs(model, "auto", "", crispness)

    for model in ("kdsr-s-x4", "faithful", tiny_file):
        assert mark(model, 0.5) == mark(model, 1.0)
    assert mark("kdsr-s-x4-crisp", 0.5) != mark("kdsr-s-x4-crisp", 1.0)


@pytest.mark.parametrize("purpose", ["photo", "faithful"])
def test_the_factor_chooses_the_file_of_a_purpose(host: Host, purpose: str) -> None:
    models = host.module("nodes.models").load(purpose, precision="fp32")
    serving = host.module("kdsr.files.catalog").models_by_factor
    entries = serving(host.module("kdsr.files.catalog").list_models(), purpose)
    assert models.factors == tuple(sorted(entries))
    for size in (1, 2, 3, 4):
        out = host.run("KDSR_Upscale", image=image(), purpose=purpose, size_by="factor", size=size)
        assert out.shape == (1, 12 * size, 10 * size, 3)
        factor = min(f for f in models.factors if f >= size)
        linked = host.run(
            "KDSR_Upscale", image=image(), model=host.run("KDSR_Load", model=entries[factor].name),
            size_by="factor", size=size,
        )  # fmt: skip
        close(out, linked)


def test_an_idr_chooses_the_model_that_made_it(host: Host) -> None:
    faithful = host.run("KDSR_Load", model="faithful", precision="fp32")
    x2 = host.run("KDSR_Load", model="kdsr-s-x2", precision="fp32")
    small = host.run("KDSR_EstimateIDR", model=x2, image=image())
    large = host.run("KDSR_EstimateIDR", model=faithful, image=image())
    result = host.run("KDSR_Upscale", model=faithful, image=image(), idr=small)
    assert result.shape == (1, 24, 20, 3)
    assert host.run("KDSR_Upscale", model=faithful, image=image(), idr=large).shape[1] == 48
    with pytest.raises(RuntimeError, match="made by kdsr-s-x2, the model here is kdsr-s-x4-photo"):
        host.run("KDSR_Upscale", image=image(), idr=small)
    with pytest.raises(RuntimeError, match="made by kdsr-s-x4, the model here is kdsr-s-x4-photo"):
        host.run("KDSR_Upscale", image=image(), idr=large)
    with pytest.raises(RuntimeError, match="made by kdsr-s-x2, idr_b by kdsr-s-x4"):
        host.run("KDSR_BlendIDR", idr_a=small, idr_b=large, weight=0.5)


def test_one_idr_serves_photo_at_x4_and_x2(host: Host) -> None:
    large = host.run("KDSR_Load", model="kdsr-s-x4-photo", precision="fp32")
    half = host.run("KDSR_Load", model="kdsr-s-x2-photo", precision="fp32")
    idr = host.run("KDSR_EstimateIDR", model=large, image=image())
    assert host.run("KDSR_Upscale", model=large, image=image(), idr=idr).shape == (1, 48, 40, 3)
    assert host.run("KDSR_Upscale", model=half, image=image(), idr=idr).shape == (1, 24, 20, 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 is fine on CUDA")
def test_fp16_needs_cuda(host: Host) -> None:
    with pytest.raises(RuntimeError, match="fp16 needs a CUDA GPU; choose auto or bf16"):
        host.run("KDSR_Load", precision="fp16")


def test_weights_that_are_no_numbers_are_blamed_when_they_load(host: Host) -> None:
    ruined = make_tiny()
    torch.nn.init.constant_(ruined.get_parameter("network.blocks.1.conv.weight"), math.nan)
    save_checkpoint(ruined, host.models / "nan.safetensors")
    with pytest.raises(RuntimeError, match=r"nan\.safetensors.*blocks\.1\.conv\.weight.*damaged"):
        host.run("KDSR_Load", model="nan.safetensors")


def test_bundled_local_and_downloadable_models_are_offered(
    host: Host, tiny_file: str, monkeypatch
) -> None:
    models = host.module("nodes.models")
    catalog = host.module("kdsr.files.catalog")
    entry = dataclasses.replace(
        catalog.list_models()[0], name="kdsr-x", repo="owner/repo", revision="v1"
    )
    monkeypatch.setattr(models, "list_models", lambda: [*catalog.list_models(), entry])
    offered = models.options()
    assert offered[:3] == ["photo", "faithful", "kdsr-s-x4"]
    assert not any(name in offered for name in ("kdsr-s-x4-real", "kdsr-s-x4-classic"))
    assert tiny_file in offered
    assert offered[-1] == "kdsr-x (download)"
    # A workflow may hold either name; what the first of these says must be true before running.
    assert host.check("KDSR_Load", model="kdsr-x (download)") is True
    assert host.check("KDSR_Load", model="kdsr-x") is True


def test_a_model_that_cannot_be_downloaded_names_url_and_folder(host: Host, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub_id = "kdsr-tests/none/tiny.safetensors@v2"
    with pytest.raises(RuntimeError) as caught:
        host.run("KDSR_Load", hub_id=hub_id)
    assert "kdsr-tests/none/resolve/v2/tiny.safetensors" in str(caught.value)
    assert str(host.models) in str(caught.value)


def test_an_address_that_is_none_is_named_and_blanks_are_none(host: Host) -> None:
    with pytest.raises(RuntimeError, match=r"expected hf://owner/repo/file\.safetensors"):
        host.run("KDSR_Load", hub_id="owner/repo")
    for blank in ("", " ", None):
        assert host.run("KDSR_Load", hub_id=blank).kdsr.config.scale == 4


def test_a_download_stops_where_comfyui_is_told_to_stop(host: Host, monkeypatch) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # it is there and never answers
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    mm, started = host.comfy("comfy.model_management"), time.monotonic()
    threading.Timer(0.5, mm.interrupt_current_processing).start()
    with silent, pytest.raises(mm.InterruptProcessingException):
        host.node("KDSR_Load").execute("kdsr-s-x4", "auto", "kdsr-tests/none/tiny.safetensors")
    assert time.monotonic() - started < 8, "the client itself waits for ten seconds"


def test_linked_inputs_are_left_to_execution(host: Host) -> None:
    for node_id in ("KDSR_Load", "KDSR_LoadIDR"):
        assert host.check(node_id) is True
    host.node("KDSR_Load").fingerprint_inputs()
    host.node("KDSR_LoadIDR").fingerprint_inputs()


def test_a_replaced_file_is_loaded_again(host: Host) -> None:
    path = host.models / "changing.safetensors"
    save_checkpoint(make_tiny(), path)
    load = host.node("KDSR_Load")
    before = load.fingerprint_inputs("changing.safetensors", "auto")
    assert load.fingerprint_inputs("changing.safetensors", "auto") == before
    save_checkpoint(make_tiny(seed=1), path)
    assert load.fingerprint_inputs("changing.safetensors", "auto") != before


def test_model_folders_of_extra_model_paths_are_kept_and_the_usual_one_is_made(
    host: Host, tmp_path, monkeypatch
) -> None:
    folder_paths = host.comfy("folder_paths")

    registered = folder_paths.folder_names_and_paths["kdsr"]
    try:
        folder_paths.folder_names_and_paths["kdsr"] = ([str(tmp_path)], set())
        monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "new" / "models"))
        host.module("nodes.runtime").register_model_folder()
        paths, extensions = folder_paths.folder_names_and_paths["kdsr"]
        assert paths == [str(tmp_path), str(tmp_path / "new" / "models" / "kdsr")]
        assert Path(paths[1]).is_dir(), "people look for the folder that the README names"
        assert ".safetensors" in extensions
    finally:
        folder_paths.folder_names_and_paths["kdsr"] = registered


# ---- upscaling


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (13, 11)])
def test_odd_and_one_pixel_sizes(host: Host, model, size: tuple[int, int]) -> None:
    images = image(1, *size)
    result = host.run("KDSR_Upscale", model=model, image=images)
    assert result.shape == (1, size[0] * 4, size[1] * 4, 3)
    close(result, expected(images))


def test_estimating_says_what_was_left_out(host: Host) -> None:
    given: dict[str, list[Any]] = {
        "model": [host.run("KDSR_Load", model="faithful", precision="fp32")],
        "mode": ["per image"], "smoothing": [0.8], "scene_cut": [5.0], "wrap": ["none"],
    }  # fmt: skip
    checks = ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float().expand(1, 3, 64, 64)
    node = host.node("KDSR_EstimateIDR")
    said = node.execute(image=[checks.movedim(1, -1)], **given).ui["kdsr_note"][0]
    assert said.startswith("the picture looks like dither or hatching all over")
    assert node.execute(image=[torch.full((1, 64, 64, 3), 0.5)], **given).ui is None


def test_a_batch_uses_one_idr_each_or_one_for_all(host: Host, model) -> None:
    images = image(3)
    each = host.run("KDSR_EstimateIDR", model=model, image=images)
    one = host.run("KDSR_EstimateIDR", model=model, image=images, mode="one for the batch")
    assert (len(each), len(one)) == (3, 1)
    library = make_tiny().estimate(bchw(images), dtype="fp32")
    close(each.idr_full, library.idr_full)
    close(one.idr_full, library.mean().idr_full)
    close(host.run("KDSR_Upscale", model=model, image=images, idr=each), expected(images, library))
    close(
        host.run("KDSR_Upscale", model=model, image=images, idr=one),
        expected(images, library.mean()),
    )


def test_tiles_of_any_kind_give_the_whole_images_result(host: Host, model) -> None:
    images = image(1, 40, 30)
    whole = expected(images, tile=None)
    for tile, batch in ((0, 0), (16, 1), (8, 3)):
        result = host.run(
            "KDSR_TileUpscale", model=model, image=images, tile=tile, tiles_per_batch=batch
        )
        close(result, whole)
    custom = {"tile": 8, "overlap": "custom", "custom_overlap": 0}
    rough = host.run("KDSR_TileUpscale", model=model, image=images, **custom)
    assert (rough - whole).abs().max() > 1e-3
    close(rough, expected(images, tile=8, overlap=0))


@pytest.mark.parametrize(("wrap", "pair"), [("x", (True, False)), ("both", (True, True))])
def test_wrapping_reaches_the_library(host: Host, model, wrap: str, pair) -> None:
    images = image(1, 16, 20)
    result = host.run("KDSR_TileUpscale", model=model, image=images, wrap=wrap)
    close(result, expected(images, wrap=pair))
    idr = host.run("KDSR_EstimateIDR", model=model, image=images, wrap=wrap)
    library = make_tiny().estimate(bchw(images), wrap=pair, dtype="fp32")
    close(idr.idr_full, library.idr_full)


@pytest.mark.parametrize(
    ("size_by", "size", "result"),
    [
        ("factor", 2, (24, 20)),
        ("factor", 0.5, (6, 5)),
        ("factor", 6, (72, 60)),
        ("width", 33, (40, 33)),
        ("height", 17.4, (17, 14)),
        ("longest side", 36, (36, 30)),
        ("fit into", 30, (24, 20)),
        ("fit into", 20, (24, 20)),
        ("megapixels", 0.0012, (38, 32)),
        ("model factor", 0, (48, 40)),
    ],
)
def test_output_sizes(host: Host, model, size_by: str, size: float, result) -> None:
    images = image(2, 12, 10)
    options = {"size_by": size_by, "size": size, "fit_height": 24}
    out = host.run("KDSR_Upscale", model=model, image=images, **options)
    assert out.shape == (2, *result, 3)
    assert 0 <= out.min() <= out.max() <= 1


@pytest.mark.parametrize(
    ("size_by", "size", "message"),
    [
        ("width", 2, "For 2 times the input, set size_by to factor"),
        ("height", 15.9, "expected 16 or more"),
        ("width", 70000, "1 to 65536"),
        ("factor", 0, "above 0"),
        ("factor", 100, "at most 16"),
        ("megapixels", -1, "above 0"),
        ("megapixels", 99999, "at most 4295"),
        ("longest side", 1000, "at most 16 times the input"),
        ("depth", 1, "unknown size_by"),
    ],
)
@pytest.mark.parametrize("node_id", ["KDSR_Upscale", "KDSR_TileUpscale", "KDSR_UpscaleRegions"])
def test_sizes_that_make_no_sense_are_found_before_any_work(
    host: Host, model, monkeypatch, node_id: str, size_by: str, size: float, message: str
) -> None:
    def work(*_, **__):
        raise AssertionError("it began")

    monkeypatch.setattr(host.module("nodes.runtime"), "ready", work)
    with pytest.raises(RuntimeError, match=message):
        host.run(node_id, model=model, image=image(), size_by=size_by, size=size)


def test_a_result_that_may_not_fit_is_tried_after_a_warning(
    host: Host, model, monkeypatch, caplog
) -> None:
    runtime = host.module("nodes.runtime")
    monkeypatch.setattr(runtime, "free_memory", lambda: 3 * 40 * 48 * 4 - 1)
    result = host.run("KDSR_Upscale", model=model, image=image())
    close(result, expected(image()))
    assert "the result may not fit: 1 x 40 x 48 px take 2.3e-05 GB of memory" in caplog.text
    caplog.clear()
    monkeypatch.setattr(runtime, "free_memory", lambda: 3 * 40 * 48 * 4)
    host.run("KDSR_Upscale", model=model, image=image())
    assert "may not fit" not in caplog.text


@pytest.mark.parametrize("node_id", ["KDSR_Upscale", "KDSR_TileUpscale", "KDSR_UpscaleRegions"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_size_beyond_the_model_takes_two_passes_as_the_command_does(
    host: Host, model, node_id: str, channels: int
) -> None:
    options: dict = {"size_by": "factor", "size": 6.0, "model": model}
    options |= {"regions": "map", "cells": 1} if node_id == "KDSR_UpscaleRegions" else {}
    images = image(channels=channels)
    images[..., 3:] = 1
    out = host.node(node_id).execute(image=images, **options)
    first = host.run(node_id, **{**options, "image": images, "size": 1.5})
    second = host.run("KDSR_Upscale", model=model, image=first)
    close(out.result[0], second)
    assert out.ui == {"kdsr_note": ["60 x 72 px by tiny, then tiny"]}


def test_a_model_that_does_not_enlarge_is_refused_as_by_the_command(host: Host) -> None:
    x1 = host.run("KDSR_Load", model="kdsr-s-x1", precision="fp32")
    assert host.run("KDSR_Upscale", model=x1, image=image()).shape == (1, 12, 10, 3)
    with pytest.raises(RuntimeError, match="cleans without enlarging"):
        host.run("KDSR_Upscale", model=x1, image=image(), size_by="factor", size=2)


def test_a_list_of_images_of_different_sizes_gets_one_look(host: Host, model) -> None:
    images = [image(), image(1, 20, 16), image(2, 9, 14)]
    options: dict = {"smoothing": 0.8, "scene_cut": 5.0, "wrap": "none"}
    lists = {name: [value] for name, value in {"model": model, **options}.items()}
    node = host.node("KDSR_EstimateIDR")
    each = node.execute(image=images, mode=["per image"], **lists).result[0]
    assert [len(idr) for idr in each] == [1, 1, 2]
    (one,) = node.execute(image=images, mode=["one for the list"], **lists).result[0]
    library = torch.cat([make_tiny().estimate(bchw(i), dtype="fp32").idr_full for i in images])
    close(one.idr_full, library.mean(0, keepdim=True))


def test_a_result_that_no_memory_holds_is_refused_before_any_work(
    host: Host, model, monkeypatch
) -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.zeros(1 << 50)  # an allocator's own words

    def empty_result(_) -> None:
        raise refused.value

    monkeypatch.setattr(host.module("nodes.runtime"), "empty_result", empty_result)
    monkeypatch.setattr(host.module("nodes.runtime"), "ready", None)
    for node_id in ("KDSR_Upscale", "KDSR_TileUpscale", "KDSR_UpscaleRegions"):
        with pytest.raises(RuntimeError, match=r"the result does not fit: 1 x 40"):
            host.run(node_id, model=model, image=image())


def test_rgba_stays_rgba_without_dark_fringes(host: Host, model) -> None:
    images = image(2, 12, 12, 4)
    images[..., 3] = 0
    images[:, 3:9, 3:9, 3] = 1
    images[..., :3][images[..., 3] == 0] = 0  # hidden pixels are black
    result = host.run("KDSR_Upscale", model=model, image=images)
    assert result.shape == (2, 48, 48, 4)
    assert result[:, 24, 24, 3].min() == 1
    assert result[:, 0, 0, 3].max() == 0
    bright = images.clone()
    bright[..., :3] = 0.8
    bright[..., :3][images[..., 3] == 0] = 0
    opaque = torch.full((2, 12, 12, 3), 0.8)
    idr = host.run("KDSR_EstimateIDR", model=model, image=opaque, mode="one for the batch")
    result = host.run("KDSR_Upscale", model=model, image=bright, idr=idr)
    whole = host.run("KDSR_Upscale", model=model, image=opaque, idr=idr)
    close(result[..., :3], whole)  # the hidden black had no influence on any colour


def test_hidden_pixels_do_not_count_in_the_estimate(host: Host, model) -> None:
    images = image(1, 12, 12, 4)
    images[..., 3] = 0
    images[:, 2:8, 2:8, 3] = 1
    idr = host.run("KDSR_EstimateIDR", model=model, image=images)
    colour, alpha = bchw(images[..., :3]), bchw(images[..., 3:])
    library = make_tiny().estimate(bleed(colour, alpha), mask=alpha, dtype="fp32")
    close(idr.idr_full, library.idr_full)
    images[..., 3] = 0  # nothing can be seen: all of it counts
    idr = host.run("KDSR_EstimateIDR", model=model, image=images)
    close(idr.idr_full, make_tiny().estimate(bchw(images[..., :3]), dtype="fp32").idr_full)


def test_grey_half_precision_and_strided_images(host: Host, model) -> None:
    grey = image(1, 12, 10, 1)
    close(host.run("KDSR_Upscale", model=model, image=grey), expected(grey.expand(-1, -1, -1, 3)))
    half = image().half()
    close(host.run("KDSR_Upscale", model=model, image=half), expected(half.float()))
    flipped = image(1, 12, 20)[:, :, ::2]
    close(host.run("KDSR_Upscale", model=model, image=flipped), expected(flipped.contiguous()))


@pytest.mark.parametrize("shape", [(12, 10, 3), (1, 12, 10, 5), (0, 12, 10, 3), (1, 0, 10, 3)])
def test_what_is_no_image_is_named(host: Host, model, shape) -> None:
    with pytest.raises(RuntimeError, match=r"IMAGE of shape|is empty"):
        host.run("KDSR_Upscale", model=model, image=torch.rand(shape))


def test_nan_is_named(host: Host, model) -> None:
    images = image()
    images[0, 3, 3] = math.nan
    with pytest.raises(RuntimeError, match="NaN"):
        host.run("KDSR_Upscale", model=model, image=images)


class LargeAllocations(TorchDispatchMode):
    """Counts the distinct memory blocks of at least so many bytes that operations return."""

    def __init__(self, least: int) -> None:
        super().__init__()
        self.least, self.blocks = least, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.nbytes() >= self.least:
                    self.blocks[storage.data_ptr()] = storage
        return result


@pytest.mark.parametrize("size_by", ["model factor", "factor"])
def test_200_frames_need_one_output_buffer(host: Host, model, size_by: str, monkeypatch) -> None:
    resized = host.module("kdsr.pixels")
    monkeypatch.setattr(resized, "_BUFFER_VALUES", 20 * 3 * 32 * 32)
    images = image(200, 8, 8)
    idr = host.run("KDSR_EstimateIDR", model=model, image=images, mode="one for the batch")
    side = 32 if size_by == "model factor" else 16
    with LargeAllocations(200 * side * side * 3 * 4 // 2) as large:
        result = host.run(
            "KDSR_Upscale", model=model, image=images, idr=idr, size_by=size_by, size=2
        )
    assert result.shape == (200, side, side, 3)
    assert list(large.blocks) == [result.untyped_storage().data_ptr()]
    assert result.is_contiguous()


def test_an_idr_of_another_model_is_refused(host: Host, model) -> None:
    other = host.idr(make_tiny(seed=1).estimate(bchw(image())))
    with pytest.raises(RuntimeError, match="estimate it again"):
        host.run("KDSR_Upscale", model=model, image=image(), idr=other)


def test_running_out_of_memory_halves_the_tile_and_keeps_the_result(
    host: Host, model, monkeypatch
) -> None:
    images = image(1, 48, 40)
    whole = expected(images)
    baked = host.module("kdsr.network.baked").BakedKDSR
    shortage = torch.cuda.OutOfMemoryError("CUDA out of memory")
    tried = run_out_of_memory(monkeypatch, baked, "forward", 40 * 40, shortage)
    close(host.run("KDSR_TileUpscale", model=model, image=images, tile=32), whole)
    assert max(tried) > 40 * 40 >= tried[-1]


def test_an_interruption_stops_within_one_step_and_the_next_run_is_whole(
    host: Host, model, monkeypatch
) -> None:
    mm = host.comfy("comfy.model_management")

    images = image(1, 24, 24)
    progress = host.module("nodes.runtime").Progress
    steps = []

    def part(_self, _cost=None, _preview=None, **_):
        def progress(done: int, _total: int) -> None:
            steps.append(done)
            if done == 2:
                mm.interrupt_current_processing()

        return progress

    node = host.node("KDSR_TileUpscale")
    options = {
        "size_by": "model factor", "size": 1.0, "tile": 8, "overlap": "custom", "custom_overlap": 2,
        "wrap": "both", "tiles_per_batch": 1,
    }  # fmt: skip
    idr = host.run("KDSR_EstimateIDR", model=model, image=images, wrap="both")
    with monkeypatch.context() as patch:
        patch.setattr(progress, "part", part)
        with pytest.raises(mm.InterruptProcessingException):
            node.execute(model=model, image=images, idr=idr, **options)
    assert steps == [1, 2]
    result = node.execute(model=model, image=images, idr=idr, **options).result[0]
    close(result, expected(images, tile=8, overlap=2, wrap=(True, True)))


def test_progress_is_told_tile_by_tile_with_a_preview(host: Host, model, monkeypatch) -> None:
    utils = host.comfy("comfy.utils")

    monkeypatch.setattr(host.module("nodes.runtime.progress"), "_PREVIEW_SECONDS", -1)
    monkeypatch.setattr(utils, "PROGRESS_THROTTLE_MIN_INTERVAL", 0)
    told = []

    def hook(value, total, preview, **_):
        told.append((value, total, preview))

    images = image(2, 16, 16)
    idr = host.run("KDSR_EstimateIDR", model=model, image=images)
    monkeypatch.setattr(utils, "PROGRESS_BAR_HOOK", hook)
    result = host.run(
        "KDSR_TileUpscale", model=model, image=images, idr=idr, tile=4, overlap="custom",
        custom_overlap=2, tiles_per_batch=1,
    )  # fmt: skip
    values = [value for value, _, _ in told]
    assert {total for _, total, _ in told} == {1000}
    assert values == sorted(set(values))
    assert (values[0], values[-1]) == (10, 1000)  # seen before the first tile
    assert len(values) == 1 + 2 * 3 * 3  # two images of 3 x 3 tiles
    kind, last, side = told[-1][2]
    assert (kind, side, last.size) == ("JPEG", 512, (64, 64))
    shown = result[1].amax(-1, keepdim=True) > 0  # black still shows the input's black
    seen = torch.from_numpy(np.asarray(last) / np.float32(255))
    close(seen * shown, (result[1] * 255).round() / 255)
    half = torch.from_numpy(np.asarray(told[len(told) // 4][2][1]) / np.float32(255))
    shown = result[0].amax(-1, keepdim=True) > 0
    difference = ((half - result[0]) * shown).abs().amax((1, 2))
    assert difference[:24].max() < 0.01  # the upper half of the first image is done
    assert difference[-24:].min() > 0.01


@pytest.mark.parametrize(
    ("node_id", "options"),
    [
        ("KDSR_Upscale", {"size_by": "factor", "size": 2}),
        ("KDSR_Upscale", {"size_by": "factor", "size": 6}),
        ("KDSR_Upscale", {"scale": 1}),
        ("KDSR_UpscaleRegions", {"regions": "map", "cells": 1}),
        ("KDSR_UpscaleRegions", {"feather": 4}),
        ("KDSR_UpscaleRegions", {"feather": 4, "size_by": "width", "size": 100}),
    ],
)
def test_previews_grow_into_the_result(
    host: Host, model, monkeypatch, node_id: str, options: dict
) -> None:
    utils = host.comfy("comfy.utils")
    monkeypatch.setattr(host.module("nodes.runtime.progress"), "_PREVIEW_SECONDS", -1)
    tiled = host.module("kdsr.upscaling.upscaler")
    monkeypatch.setattr(tiled, "_LARGEST_CPU_TILE", 16)
    monkeypatch.setattr(tiled, "_CPU_STEP_PIXELS", 1)
    monkeypatch.setattr(utils, "PROGRESS_THROTTLE_MIN_INTERVAL", 0)
    told = []
    monkeypatch.setattr(utils, "PROGRESS_BAR_HOOK", lambda *told_, **_: told.append(told_[:3]))
    images = image(1, 64, 64)
    options = {**options}
    if "feather" in options:
        options |= {"mask_1": left_half(64, 64)}
    if scale := options.pop("scale", None):
        save_checkpoint(make_tiny(scale), host.models / "alone.safetensors")
        model = host.run("KDSR_Load", model="alone.safetensors", precision="fp32")
    result = host.run(node_id, model=model, image=images, **options)
    previews = [
        torch.from_numpy(np.asarray(preview[1]) / np.float32(255))
        for _, _, preview in told
        if preview
    ]
    assert len(previews) > 3

    def off(preview: torch.Tensor) -> float:
        """Difference from the result, both at the preview's size."""
        fitted = torch.nn.functional.interpolate(
            bchw(result), preview.shape[:2], mode="bicubic", antialias=True
        )
        return float((fitted[0].movedim(0, -1) - preview).abs().mean())

    distances = [off(preview) for preview in previews]
    assert distances[-1] < 0.5 * distances[0]
    assert distances[-1] < distances[len(distances) // 2] < distances[0]


# ---- estimating


def test_only_the_masked_region_counts(host: Host, model) -> None:
    images, mask = image(2, 16, 16), torch.zeros(16, 16)
    mask[4:9, 3:12] = 1
    library = make_tiny().estimate(bchw(images), mask=mask[None, None], dtype="fp32")
    for given in (mask, mask[None], mask[None].expand(2, -1, -1)):
        idr = host.run("KDSR_EstimateIDR", model=model, image=images, mask=given)
        close(idr.idr_full, library.idr_full)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 64, 64), "the mask is empty.*Load Image"),
        (torch.ones(3, 12, 10), "3 masks for 2 images"),
        (torch.stack((torch.zeros(12, 10), torch.ones(12, 10))), "mask is empty"),
    ],
)
def test_masks_that_do_not_fit_are_named(host: Host, model, mask, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        host.run("KDSR_EstimateIDR", model=model, image=image(2), mask=mask)


def test_masks_of_another_size_are_brought_to_the_images(host: Host, model) -> None:
    images, mask = image(1, 16, 16), torch.zeros(1, 8, 8)
    mask[..., :4] = 1
    fitted = torch.nn.functional.interpolate(
        mask[None], (16, 16), mode="bilinear", antialias=True
    )  # what the library is given; its left is 1 and its right 0
    assert fitted[..., :7].min() == 1
    assert fitted[..., 9:].max() == 0
    for node_id, key in (("KDSR_EstimateIDR", "mask"), ("KDSR_UpscaleRegions", "mask_1")):
        given, same = (
            host.run(node_id, model=model, image=images, **{key: m}) for m in (mask, fitted[0])
        )
        if node_id == "KDSR_EstimateIDR":
            library = make_tiny().estimate(bchw(images), mask=fitted, dtype="fp32")
            close(given.idr_full, library.idr_full)
        else:
            close(given, same)


def test_smoothing_stops_at_scene_cuts(host: Host, model) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.002 * torch.randn(4, 12, 12, 3, generator=generator)
    scene = image(1, 12, 12)
    frames = torch.cat((scene + noise, torch.zeros(3, 12, 12, 3)))
    plain = host.run("KDSR_EstimateIDR", model=model, image=frames)
    options = {"mode": "smoothed over frames", "smoothing": 0.9}
    smooth = host.run("KDSR_EstimateIDR", model=model, image=frames, scene_cut=1, **options)
    flicker = plain.idr_full[:4].diff(dim=0).abs().sum()
    assert smooth.idr_full[:4].diff(dim=0).abs().sum() < 0.2 * flicker
    close(smooth.idr_full[4:], plain.idr_full[4:])
    never = host.run("KDSR_EstimateIDR", model=model, image=frames, scene_cut=180, **options)
    assert (never.idr_full[4:] - plain.idr_full[4:]).abs().max() > 1e-3


# ---- regions


def left_half(height: int = 24, width: int = 30) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[..., : width // 2] = 1
    return mask


def test_masked_regions_have_idrs_of_their_own(host: Host, model) -> None:
    images, mask = image(2, 24, 30), left_half()
    result = host.run("KDSR_UpscaleRegions", model=model, image=images, mask_1=mask, feather=4)
    tiling = Tiling(dtype="fp32")
    found = Regions.of_masks(make_tiny(), bchw(images), mask[None], feather=4, tiling=tiling)
    close(result, make_tiny().upscale(bchw(images), found, dtype="fp32").movedim(1, -1))


def test_regions_take_idrs_from_elsewhere_and_a_size(host: Host, model) -> None:
    images, mask = image(1, 24, 30), left_half()
    one = host.run("KDSR_EstimateIDR", model=model, image=image(1, 20, 20))
    two = host.run("KDSR_EstimateIDR", model=model, image=torch.zeros(1, 12, 12, 3))
    result = host.run(
        "KDSR_UpscaleRegions", model=model, image=images, mask_2=mask, idr_2=one, idr_rest=two,
        feather=0, size_by="factor", size=2,
    )  # fmt: skip
    assert result.shape == (1, 48, 60, 3)
    options = {"model": model, "image": images, "size_by": "factor", "size": 2}
    left = host.run("KDSR_Upscale", idr=one, **options)
    right = host.run("KDSR_Upscale", idr=two, **options)
    close(result[:, :, :24], left[:, :, :24])
    close(result[:, :, -24:], right[:, :, -24:])
    assert (left - right).abs().max() > 1e-4


def test_a_map_needs_no_masks(host: Host, model) -> None:
    images = image(1, 40, 60, 4)
    result = host.run("KDSR_UpscaleRegions", model=model, image=images, regions="map", cells=3)
    assert result.shape == (1, 160, 240, 4)
    opaque = images[..., :3]
    found = idr_map(make_tiny(), bchw(opaque), cells=3, tiling=Tiling(dtype="fp32"))
    close(result[..., :3], make_tiny().upscale(bchw(opaque), found, dtype="fp32").movedim(1, -1))


def test_a_map_takes_what_no_mask_covers(host: Host, model) -> None:
    images, mask = image(1, 40, 60), torch.zeros(1, 40, 60)
    mask[..., :20] = 1
    idr = host.run("KDSR_EstimateIDR", model=model, image=torch.zeros(1, 12, 12, 3))
    options = {"model": model, "image": images}
    regional = {**options, "regions": "map", "cells": 3}
    result = host.run("KDSR_UpscaleRegions", **regional, mask_1=mask, idr_1=idr, feather=0)
    masked = host.run("KDSR_Upscale", **options, idr=idr)
    mapped = host.run("KDSR_UpscaleRegions", **regional)
    # Only a pixel on either side is interpolated.
    close(result[:, :, : 19 * 4], masked[:, :, : 19 * 4])
    close(result[:, :, 21 * 4 :], mapped[:, :, 21 * 4 :])
    assert (masked - mapped).abs().max() > 1e-4
    all_of_it = {**regional, "mask_1": torch.ones(1, 40, 60), "idr_1": idr}
    close(host.run("KDSR_UpscaleRegions", **all_of_it), masked)
    with pytest.raises(RuntimeError, match="disconnect idr_rest, or set regions to masks"):
        host.run("KDSR_UpscaleRegions", **regional, idr_rest=idr)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "connect mask_1, or set regions to map"),
        ({"mask_1": torch.zeros(1, 24, 30)}, "mask is empty"),
        ({"mask_3": torch.ones(2, 24, 30)}, "mask_3 is a batch of 2"),
    ],
)
def test_regions_that_make_no_sense(host: Host, model, given, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        host.run("KDSR_UpscaleRegions", model=model, image=image(1, 24, 30), **given)
    if not given:
        idr = host.run("KDSR_EstimateIDR", model=model, image=image())
        with pytest.raises(RuntimeError, match="idr_1 has no region: connect mask_1"):
            host.run("KDSR_UpscaleRegions", model=model, image=image(1, 24, 30), idr_1=idr)


def test_what_is_meant_for_a_rest_that_there_is_not_is_said_to_be_unused(host: Host, model) -> None:
    def note(**given: Any) -> str:
        options: dict = {"size_by": "factor", "size": 1.0, "model": model}
        images = image(1, 24, 30)
        out = host.node("KDSR_UpscaleRegions").execute(image=images, **options, **given)
        return out.ui["kdsr_note"][0]

    idr = host.run("KDSR_EstimateIDR", model=model, image=image())
    unused = "The masks cover the whole image"
    assert unused in note(mask_1=torch.ones(1, 24, 30), idr_rest=idr)
    assert unused in note(mask_1=torch.ones(1, 24, 30), regions="map")
    assert unused not in note(mask_1=torch.ones(1, 24, 30))
    assert unused not in note(mask_1=left_half(), idr_rest=idr)


# ---- working with IDRs


def test_blending_and_its_limits(host: Host, model) -> None:
    a = host.run("KDSR_EstimateIDR", model=model, image=image())
    b = host.run("KDSR_EstimateIDR", model=model, image=image(1, 20, 20))
    out = host.run("KDSR_BlendIDR", idr_a=a, idr_b=b, weight=1.5)
    close(out.idr, a.idr + 1.5 * (b.idr - a.idr))
    weight = host.info("KDSR_BlendIDR")["input_types"]["required"]["weight"][1]
    assert (weight["min"], weight["max"]) == (-1.0, 2.0)
    with pytest.raises(RuntimeError, match="weight must be"):
        host.run("KDSR_BlendIDR", idr_a=a, idr_b=b, weight=2.5)


@pytest.fixture
def calibrated(host: Host):
    """A tiny model that knows references."""
    save_checkpoint(make_calibrated(), host.models / "calibrated.safetensors")
    return host.run("KDSR_Load", model="calibrated.safetensors", precision="fp32")


def test_blending_with_a_known_degradation(host: Host, model, calibrated) -> None:
    idr = host.run("KDSR_EstimateIDR", model=calibrated, image=image())
    references = host.module("kdsr.meaning.references").references(calibrated.kdsr)
    out = host.run("KDSR_BlendIDR", idr_a=idr, weight=0.25, preset="heavy blur", model=calibrated)
    close(out.idr, idr.idr + 0.25 * (references["heavy blur"].idr - idr.idr))
    with pytest.raises(RuntimeError, match="needs a model"):
        host.run("KDSR_BlendIDR", idr_a=idr, weight=1, preset="clean")
    with pytest.raises(RuntimeError, match=r"no calibration.*train/calibrate\.py"):
        host.run("KDSR_BlendIDR", idr_a=idr, weight=1, preset="clean", model=model)
    with pytest.raises(RuntimeError, match="connect idr_b, or choose a preset"):
        host.run("KDSR_BlendIDR", idr_a=idr, weight=1)
    with pytest.raises(RuntimeError, match="idr_b is connected and the preset 'clean' is chosen"):
        host.run("KDSR_BlendIDR", idr_a=idr, idr_b=idr, weight=1, preset="clean", model=calibrated)


def test_a_preset_that_does_not_exist_is_named_before_anything_runs(host: Host) -> None:
    assert host.check("KDSR_BlendIDR", preset="none") is True
    assert "no preset 'bright'" in host.check("KDSR_BlendIDR", preset="bright")


@pytest.mark.parametrize("node_id", ["KDSR_Upscale", "KDSR_TileUpscale"])
def test_strength_blends_with_the_clean_reference(
    host: Host, model, calibrated, node_id: str
) -> None:
    options = {
        name: spec[1]["default"]
        for name, spec in host.info(node_id)["input_types"]["required"].items()
        if "default" in spec[1]
    }
    options |= {"image": image()}
    results = [
        host.run(node_id, model=calibrated, **options, strength=strength) for strength in (0.3, 1)
    ]
    close(results[1], expected(image()))
    made = calibrated.kdsr
    library = host.module("kdsr.meaning.references").with_strength(
        made, host.run("KDSR_EstimateIDR", model=calibrated, image=image()), 0.3
    )
    close(results[0], host.run(node_id, model=calibrated, **options, idr=library))
    assert (results[0] - results[1]).abs().max() > 1e-4
    with pytest.raises(RuntimeError, match="no calibration"):
        host.run(node_id, model=model, **options, strength=0.5)


def test_estimate_idr_counts_every_pixel_where_it_is_asked_to(host: Host) -> None:
    made = make_calibrated(cell_distance=torch.tensor([1e-6]))  # nothing is that near
    save_checkpoint(made, host.models / "ranged.safetensors")
    model = host.run("KDSR_Load", model="ranged.safetensors", precision="fp32")
    images = image(1, 100, 100)
    for ways in ({}, {"estimate": "sampled"}):
        idr = host.run("KDSR_EstimateIDR", model=model, image=images, **ways)
        assert idr.left_out.tolist() == [1.0]
    idr = host.run("KDSR_EstimateIDR", model=model, image=images, estimate="whole")
    assert idr.left_out.tolist() == [0.0]
    expected = made.estimate(bchw(images), estimate="whole", dtype="fp32")
    close(idr.idr_full, expected.idr_full)


def test_inspecting_one_several_and_two(host: Host, model) -> None:
    one = host.run("KDSR_EstimateIDR", model=model, image=image())
    three = host.run("KDSR_EstimateIDR", model=model, image=image(3))
    plot, report, similarity = host.run("KDSR_InspectIDR", idr=one)
    assert plot.ndim == 4
    assert plot.shape[2:] == (1356, 3)
    assert plot.std() > 0.05
    assert similarity == 1.0
    assert "1 IDR" in report
    plot3, report, similarity = host.run("KDSR_InspectIDR", idr=three, other=one)
    assert plot3.shape[1] > plot.shape[1]
    assert f"cosine similarity {three.cosine(one).mean():.4f}" in report
    assert similarity == pytest.approx(float(three.cosine(one).mean()))
    heat, report, _ = host.run("KDSR_InspectIDR", idr=one, model=model, image=image(2, 40, 48))
    assert heat.shape[1] > plot.shape[1] + 300
    assert "2 x 3 cells" in report


def test_a_calibrated_model_reads_what_is_inspected(host: Host, calibrated) -> None:
    idr = host.run("KDSR_EstimateIDR", model=calibrated, image=image(1, 40, 48))
    plain, _, _ = host.run("KDSR_InspectIDR", idr=idr)
    plot, report, _ = host.run("KDSR_InspectIDR", idr=idr, model=calibrated)
    assert plot.shape[1] > plain.shape[1] + 400
    assert report.startswith("blur 2.0 x 1.0 px ± 0.")
    chinese, words, _ = host.run("KDSR_InspectIDR", idr=idr, model=calibrated, language="zh")
    assert words.startswith("模糊 2.0 x 1.0 px ± 0.")
    assert chinese.shape == plot.shape
    assert (chinese != plot).any()
    black = host.run("KDSR_EstimateIDR", model=calibrated, image=torch.zeros(1, 40, 48, 3))
    plot, report, _ = host.run("KDSR_InspectIDR", idr=black, model=calibrated)
    assert report.startswith("nothing can be told: the image is too small or too flat")
    assert plot.shape[1] < plain.shape[1] + 200


def test_inspecting_with_another_models_idr_is_refused(host: Host, model) -> None:
    other = make_tiny(seed=1).estimate(bchw(image()))
    with pytest.raises(RuntimeError, match="estimate it again"):
        host.run("KDSR_InspectIDR", idr=other, model=model, image=image())


# ---- baking


def test_a_baked_model_is_an_upscale_model(host: Host, model) -> None:
    images = image(1, 15, 13)
    idr = host.run("KDSR_EstimateIDR", model=model, image=images)
    baked = host.run("KDSR_BakeUpscaleModel", model=model, idr=idr)
    assert baked.scale == 4
    assert isinstance(baked.model, torch.nn.Module)
    assert baked.to("cpu") is baked.cpu() is baked.eval() is baked
    assert (baked.input_channels, baked.output_channels, baked.purpose) == (3, 3, "SR")
    close(baked(bchw(images)).movedim(1, -1), expected(images))
    half = baked.half()(bchw(images).half())
    assert half.dtype == baked.dtype == torch.float16
    torch.testing.assert_close(half.float().movedim(1, -1), expected(images), rtol=0, atol=2e-2)
    with pytest.raises(ValueError, match="Split Image with Alpha"):
        baked(torch.rand(1, 4, 8, 8))
    two = host.run("KDSR_EstimateIDR", model=model, image=image(2))
    with pytest.raises(RuntimeError, match=r"batch of 2: .*“one for the batch”"):
        host.run("KDSR_BakeUpscaleModel", model=model, idr=two)


def test_a_baked_model_is_saved_under_a_new_name_in_full_precision(
    host: Host, model, monkeypatch
) -> None:
    folder = host.base / "models" / "upscale_models"
    monkeypatch.setitem(
        host.comfy("folder_paths").folder_names_and_paths,
        "upscale_models",
        ([str(folder)], {".safetensors"}),
    )
    images = image()
    idr = host.run("KDSR_EstimateIDR", model=model, image=images)
    reduced = host.run("KDSR_Load", model="tiny.safetensors", precision="bf16")
    for _ in range(2):
        host.run("KDSR_BakeUpscaleModel", model=reduced, idr=idr, save_as="looks/film")
    saved = sorted(folder.rglob("*.safetensors"))
    assert [path.name for path in saved] == ["film_00001_.safetensors", "film_00002_.safetensors"]
    close(build_baked(load_file(saved[0]))(bchw(images)).clamp(0, 1), bchw(expected(images)))
    with pytest.raises(RuntimeError, match="no file can be saved as"):
        host.run("KDSR_BakeUpscaleModel", model=model, idr=idr, save_as="../film")


def test_baking_leaves_the_model_as_it_was(host: Host, model) -> None:
    idr = host.run("KDSR_EstimateIDR", model=model, image=image())
    host.run("KDSR_BakeUpscaleModel", model=model, idr=idr).half()
    close(host.run("KDSR_Upscale", model=model, image=image(), idr=idr), expected(image()))


# ---- on a GPU

no_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@no_cuda
@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "auto"])
def test_gpu_resident_half_precision_images(host: Host, tiny_file: str, precision: str) -> None:
    loaded = host.run("KDSR_Load", model=tiny_file, precision=precision)
    images = image(2, 40, 30)
    result = host.run("KDSR_TileUpscale", model=loaded, image=images.cuda().half(), tile=16)
    assert (result.device.type, result.dtype) == ("cpu", torch.float32)
    assert next(loaded.kdsr.parameters()).device.type == "cuda"
    difference = (result - expected(images.half().float())).abs()
    assert difference.mean() < {"fp32": 1e-4, "fp16": 2e-3}.get(precision, 1e-2)


@no_cuda
@pytest.mark.gpu
def test_models_left_on_the_cpu_are_moved_for_the_run(host: Host, tiny_file: str) -> None:
    loaded = host.run("KDSR_Load", model=tiny_file, precision="fp32")
    host.run("KDSR_Upscale", model=loaded, image=image())
    loaded.kdsr.cpu()  # what --novram leaves behind
    result = host.run("KDSR_Upscale", model=loaded, image=image())
    torch.testing.assert_close(result, expected(image()), rtol=0, atol=1e-3)
    idr = host.run("KDSR_EstimateIDR", model=loaded, image=image())
    baked = host.run("KDSR_BakeUpscaleModel", model=loaded, idr=idr)
    assert baked.device.type == "cpu"
    assert baked(bchw(image()).cuda()).device.type == "cuda"
