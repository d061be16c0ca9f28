"""The command with a model that leaves the size: what x4 can, x1 can."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdsr import KDSR, with_strength
from kdsr.cli import main
from kdsr.files.blocks import write_png
from kdsr.files.deep_color import read_deep
from kdsr.files.images import read_image
from kdsr.files.weights import save_checkpoint
from tests.support.calibrated import small_calibrated

HEIGHT, WIDTH = 13, 17


@pytest.fixture
def cleaner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KDSR:
    """Saved as m.safetensors, beside a.png."""
    monkeypatch.chdir(tmp_path)
    model = small_calibrated(scale=1)
    save_checkpoint(model, Path("m.safetensors"))
    rng = np.random.default_rng(5)
    Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)).save("a.png")
    return model


def upscale(*options: str, image: str = "a.png") -> torch.Tensor:
    """The result's colours, (1, 3, H, W)."""
    command = ["upscale", image, "-o", "b.png", "--overwrite", "--model", "m.safetensors"]
    assert main([*command, "--dtype", "fp32", *options]) == 0
    return read_image(Path("b.png")).rgb


def test_sixteen_bits_stay_sixteen_bits_and_are_the_librarys(cleaner: KDSR) -> None:
    array = np.random.default_rng(2).integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(np.uint16)
    write_png(Path("deep.png"), array.shape, [array], None, 6)
    upscale(image="deep.png")
    found = read_deep(Path("b.png"))[0].astype(np.int64)
    expected = cleaner.upscale(read_image(Path("deep.png")).rgb, dtype="fp32")
    assert found.shape == array.shape
    assert np.abs(found - expected[0].movedim(0, -1).numpy() * 65535).max() <= 1


def test_strength_tiles_and_transparency(cleaner: KDSR) -> None:
    Image.open("a.png").convert("RGB").save("opaque.png")
    lq = read_image(Path("opaque.png")).rgb
    gentle = with_strength(cleaner, cleaner.estimate(lq, dtype="fp32"), 0.4)
    expected = cleaner.upscale(lq, gentle, dtype="fp32")
    for tiles in ((), ("--tile", "5")):
        found = upscale("--strength", "0.4", *tiles, image="opaque.png")
        assert (found - expected).abs().max() <= 0.51 / 255
    upscale()
    with Image.open("a.png") as before, Image.open("b.png") as after:
        assert after.mode == "RGBA"
        assert np.array_equal(np.asarray(before)[..., 3], np.asarray(after)[..., 3])


def test_a_texture_that_wraps_commutes_with_rolling(cleaner: KDSR) -> None:
    lq = read_image(Path("a.png")).rgb
    rolled = (lq.roll((4, 6), (2, 3))[0].movedim(0, -1) * 255).round().numpy().astype(np.uint8)
    Image.fromarray(rolled).save("rolled.png")
    whole = (lq[0].movedim(0, -1) * 255).round().numpy().astype(np.uint8)
    Image.fromarray(whole).save("opaque.png")
    main(["estimate", "opaque.png", "-o", "i.safetensors", "--model", "m.safetensors"])
    options = ("--wrap", "both", "--idr", "i.safetensors")
    first = upscale(*options, image="opaque.png")
    assert (first.roll((4, 6), (2, 3)) - upscale(*options, image="rolled.png")).abs().max() == 0
