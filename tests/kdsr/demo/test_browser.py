"""The page in Chromium: it makes the library's pictures, and nothing leaves the machine."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdsr import KDSR, read, with_strength
from kdsr.estimation import explained
from kdsr.exports.demo_page import write_demo
from kdsr.files.images import read_image
from tests.support.calibrated import small_calibrated
from tests.support.demo_page import DemoPage, demo_page
from tests.support.node import NO_RUNTIME, found_runtime, link_runtime
from tests.support.places import SAMPLES
from tools.chromium import NOT_FOUND, WEBGPU_BY_CPU, found_chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(found_chromium() is None, reason=NOT_FOUND),
    pytest.mark.skipif(found_runtime() is None, reason=NO_RUNTIME),
]


@pytest.fixture(scope="module")
def model() -> KDSR:
    """Its range holds the picture, but not the checkerboards beside it."""
    return small_calibrated(cell_distance=torch.tensor([0.9]))


@pytest.fixture(scope="module")
def site(model: KDSR, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page."""
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("site")
    write_demo(model, folder)
    link_runtime(folder)
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph with dither in it, of more pixels than are all looked at."""
    with Image.open(SAMPLES / "lake.png") as image:
        pixels = np.array(image.convert("RGB").resize((450, 375)))
    y, x = np.mgrid[:375, :450]
    pixels[x >= 300] = np.where((x + y) % 2, 255, 0)[x >= 300][:, None]
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def page(site: Path, picture: Path) -> Iterator[DemoPage]:
    with demo_page(site) as page:
        page.load("wasm")
        page.drop(picture)
        yield page


def same_picture(found: np.ndarray, model: KDSR, path: Path, strength: float = 1) -> None:
    """Apart from where a value lies between two whole numbers."""
    lq = read_image(path).rgb
    idr = with_strength(model, model.estimate(lq, dtype="fp32"), strength)
    # Baked: the page does not compare results with their input.
    expected = (model.bake(idr)(lq)[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.999


def test_a_picture_becomes_what_the_library_makes_of_it(
    page: DemoPage, model: KDSR, picture: Path
) -> None:
    same_picture(page.result(), model, picture)
    assert page.status.startswith("450 x 375 to 1800 x 1500 pixels in ")
    idr = model.estimate(read_image(picture).rgb, dtype="fp32")
    assert 0.2 < idr.left_out < 0.5
    told = f"The estimate says: {read(model, idr)[0].words}. {explained(model, idr)}."
    assert page.reading == told


def test_strength_is_the_librarys(page: DemoPage, model: KDSR, picture: Path) -> None:
    page.set_strength(0.25)
    same_picture(page.result(), model, picture, strength=0.25)
    page.set_strength(1)
    same_picture(page.result(), model, picture)


def test_the_line_parts_before_and_after(page: DemoPage) -> None:
    page.set_split(0)
    after = np.asarray(page.screenshot(), np.float32)
    page.set_split(100)
    before = np.asarray(page.screenshot(), np.float32)
    page.set_split(50)
    both = np.asarray(page.screenshot(), np.float32)
    middle = both.shape[1] // 2
    assert np.array_equal(both[:, : middle - 8], before[:, : middle - 8])
    assert np.array_equal(both[:, middle + 8 :], after[:, middle + 8 :])
    assert np.abs(before - after).max() > 20


def test_the_page_cannot_reach_another_server(page: DemoPage) -> None:
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever).start()
        send = (
            "const done = arguments[1]; fetch(arguments[0], {mode: 'no-cors'})"
            ".then(() => done('sent'), () => done('refused'))"
        )
        address = f"http://127.0.0.1:{other.server_port}/picture"
        answer = page.driver.execute_async_script(send, address)
        other.shutdown()
    assert (answer, asked) == ("refused", [])
    loaded = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert [url for url in loaded if not url.startswith((page.address, "data:"))] == []


def test_what_is_no_picture_is_refused_in_words(page: DemoPage, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(AssertionError, match=r"notes\.txt is not a picture"):
        page.drop(tmp_path / "notes.txt")
    Image.new("RGB", (4, 9)).save(tmp_path / "thin.png")
    with pytest.raises(AssertionError, match="5 a side are needed"):
        page.drop(tmp_path / "thin.png")
    Image.new("RGB", (5000, 9)).save(tmp_path / "long.png")
    with pytest.raises(AssertionError, match="it must have 4096 at most"):
        page.drop(tmp_path / "long.png")


def test_webgpu_makes_the_same_picture(site: Path, model: KDSR, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    with Image.open(SAMPLES / "example.png") as image:
        image.crop((60, 20, 92, 44)).save(small)
    with demo_page(site, *WEBGPU_BY_CPU) as page:
        page.driver.get(page.address)
        adapter = page.driver.execute_async_script(
            "navigator.gpu ? navigator.gpu.requestAdapter().then(a => arguments[0](!!a))"
            " : arguments[0](false)"
        )
        if not adapter:
            pytest.skip("this Chromium has no WebGPU, not even one computed on the CPU")
        page.load("webgpu")
        assert "WebGPU" in page.status
        page.drop(small)
        same_picture(page.result(), model, small)


def test_the_page_says_how_to_get_its_runtime(site: Path, tmp_path: Path) -> None:
    for file in site.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with (
        demo_page(tmp_path) as page,
        pytest.raises(AssertionError, match="npm install onnxruntime-web@"),
    ):
        page.load("wasm")
