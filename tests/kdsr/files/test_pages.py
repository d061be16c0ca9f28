"""TIFFs of several pages."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsr.cli import main
from kdsr.files.images import read_image

SIZES = ((24, 16), (10, 30), (12, 12))
LEVELS = (40, 120, 200)


@pytest.fixture(params=["eight", "sixteen", "mixed"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Three pages of different sizes, the second smaller copy of the first between them."""
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for number, ((width, height), level) in enumerate(zip(SIZES, LEVELS, strict=True)):
            deep = request.param == "sixteen" or (request.param == "mixed" and number == 1)
            values = np.full((height, width, 3), level * (257 if deep else 1))
            page = values.astype(np.uint16 if deep else np.uint8)
            file.write(page, photometric="rgb", metadata=None)
            if not number:
                file.write(page[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    return path


def test_every_page_is_upscaled_into_a_page(source: Path, tmp_path: Path) -> None:
    deep = read_image(source, page=0).deep
    out = tmp_path / "b.tif"
    assert main(["upscale", str(source), "-o", str(out), "--dtype", "fp32"]) == 0
    with Image.open(out) as image:
        assert getattr(image, "n_frames", 1) == 3
    for number, ((width, height), level) in enumerate(zip(SIZES, LEVELS, strict=True)):
        page = read_image(out, page=number)
        assert page.rgb.shape == (1, 3, 4 * height, 4 * width)
        assert abs(float(page.rgb.mean()) - level / 255) < 0.02
    assert read_image(out, page=0).deep == deep


def test_other_formats_hold_one_page_and_that_is_said(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b.png"
    assert main(["upscale", str(source), "-o", str(out), "--dtype", "fp32"]) == 0
    assert "of its 3 pages the first alone; .tif holds all" in capsys.readouterr().err


def test_whoever_reads_a_file_without_naming_a_page_is_told(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "kdsr"):
        assert read_image(source).pages == (0, 2, 3)
    assert "of its 3 pages the first is read" in caplog.text
