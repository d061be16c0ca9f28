import ast
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsr.pixels import levels, on_grid, store, to_bytes, to_words
from tests.support.places import ROOT

ROUNDING = ("round", "round_", "rint", "byte", "uint8", "uint16")
HELPER = ROOT / "kdsr/pixels.py"


def rounds_to_bits(path: Path) -> list[int]:
    """Lines of a file that scale to 255 or 65535 and round, or cut to bytes what was scaled."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        to_integers = node.func.attr in ("to", "astype", "type") and "uint" in ast.unparse(node)
        text = ast.unparse(node)
        scaled = re.search(r"\* ?255|255 ?\*|mul_?\(255|65535", text)
        if scaled and (to_integers or node.func.attr in ROUNDING):
            found.append(node.lineno)
    return found


def test_floats_become_bytes_in_one_place_alone() -> None:
    assert rounds_to_bits(HELPER) == [], "the helper names no number"
    folders = ("kdsr", "nodes", "train", "benchmarks", "tools")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    elsewhere = {path.name: lines for path in files if (lines := rounds_to_bits(path))}
    assert elsewhere == {}, "use kdsr.pixels"


@pytest.mark.parametrize(
    "line",
    [
        "x = (y * 255).round()",
        "x = y.mul(255).round_().to(torch.uint8)",
        "x = np.uint8(y * 255)",
        "x = (65535 * y).astype(np.uint16)",
    ],
)
def test_that_look_finds_what_it_looks_for(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.py").write_text(line)
    assert rounds_to_bits(tmp_path / "a.py")


def test_values_are_rounded_to_the_nearest_level_and_clamped() -> None:
    values = torch.tensor([-0.5, 0.0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.0, 1.5])
    kept = values.clone()
    assert to_bytes(values).tolist() == [0, 0, 0, 1, 255, 255, 255]
    assert levels(values).tolist() == [0, 0, 0, 1, 255, 255, 255]
    assert to_words(torch.tensor([0.0, 0.6 / 65535, 1.0, 2.0])).tolist() == [0, 1, 65535, 65535]
    assert torch.equal(values, kept)


def test_every_level_comes_back_as_it_was() -> None:
    eight, sixteen = torch.arange(256, dtype=torch.uint8), np.arange(65536, dtype=np.uint16)
    assert torch.equal(to_bytes(eight.float() / 255), eight)
    assert np.array_equal(to_words(torch.from_numpy(sixteen / np.float32(65535))), sixteen)
    assert torch.equal(on_grid(eight.float() / 255), eight.float() / 255)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_a_buffer_is_filled_in_its_own_format(dtype: torch.dtype) -> None:
    values = torch.tensor([-1.0, 0.25, 0.7 / 255, 2.0])
    target = torch.zeros(4, dtype=dtype)
    store(target, values.clone())
    clamped = values.clamp(0, 1)
    expected = to_bytes(clamped) if dtype == torch.uint8 else clamped.to(dtype)
    assert torch.equal(target, expected)
