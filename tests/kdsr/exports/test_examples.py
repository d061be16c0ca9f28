"""The examples of docs/onnx: they make the library's pictures."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdsr import KDSR, with_strength
from kdsr.exports.export import pair_paths
from tests.support.node import (
    NO_RUNTIME,
    NOT_FOUND,
    found_node,
    found_runtime,
    link_runtime,
    run_node,
)
from tests.support.onnx_files import picture, with_checkerboard
from tests.support.places import ROOT

EXAMPLES = ROOT / "docs/onnx"


def example(folder: Path, files: Path, sides: tuple[int, int]) -> None:
    """Puts photo.png, photo.ppm and the files of the parts into a folder."""
    for path in pair_paths(files / "tiny.onnx"):
        (folder / path.name).write_bytes(path.read_bytes())
    lq = with_checkerboard(picture(*sides), 100)
    image = Image.fromarray((lq[0] * 255).round().byte().permute(1, 2, 0).numpy())
    image.save(folder / "photo.png")
    image.save(folder / "photo.ppm")


EXAMPLE_CASES = [((70, 301), []), ((310, 500), ["0.5"])]
"""Sides of a picture, tile borders inside, and what is asked for; the second is sampled."""


def expected(model: KDSR, folder: Path, strength: float = 1) -> np.ndarray:
    """The library's result for photo.png before the comparison, (H, W, 3) in 0-255."""
    pixels = np.asarray(Image.open(folder / "photo.png"), np.float32) / 255
    lq = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    idr = with_strength(model, model.estimate(lq, dtype="fp32"), strength)
    sr = model.bake(idr)(lq).clamp(0, 1)
    return (sr[0] * 255).round().permute(1, 2, 0).numpy()


def same_picture(path: Path, expected: np.ndarray) -> None:
    """Apart from where a value lies between two whole numbers."""
    found = np.asarray(Image.open(path), np.float32)
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.999


@pytest.mark.parametrize(("sides", "strength"), EXAMPLE_CASES)
def test_the_python_example_makes_the_same_picture(
    model: KDSR, files: Path, tmp_path: Path, sides: tuple[int, int], strength: list[str]
) -> None:
    example(tmp_path, files, sides)
    script = EXAMPLES / "upscale.py"
    subprocess.run(
        [sys.executable, script, "tiny", "photo.png", "large.png", *strength],
        cwd=tmp_path, check=True, timeout=240,
    )  # fmt: skip
    same_picture(tmp_path / "large.png", expected(model, tmp_path, *map(float, strength)))


@pytest.mark.parametrize(("sides", "strength"), EXAMPLE_CASES)
def test_the_javascript_example_makes_the_same_picture(
    model: KDSR, files: Path, tmp_path: Path, sides: tuple[int, int], strength: list[str]
) -> None:
    if found_node() is None:
        pytest.skip(NOT_FOUND)
    if found_runtime() is None:
        pytest.skip(NO_RUNTIME)
    example(tmp_path, files, sides)
    link_runtime(tmp_path)
    # Modules are looked for beside the script, not where Node was started.
    script = Path(shutil.copy(EXAMPLES / "upscale.mjs", tmp_path))
    run_node(script, "tiny", "photo.ppm", "large.ppm", *strength)
    same_picture(tmp_path / "large.ppm", expected(model, tmp_path, *map(float, strength)))
