"""The page's own arithmetic and words against the library's."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kdsr import KDSR, read
from kdsr.estimation import explained
from kdsr.estimation.features import BUDGET, CELL, WINDOWS, sample_windows
from kdsr.exports.demo_page import PAGE
from kdsr.exports.export import StreamedEstimator
from kdsr.exports.onnx_file import estimator_facts, seen_size
from kdsr.tiles import plan_axis
from tests.conftest import make_tiny
from tests.support.calibrated import calibration_for
from tests.support.node import NOT_FOUND, found_node, run_node

pytestmark = pytest.mark.skipif(found_node() is None, reason=NOT_FOUND)


def computed(folder: Path, module: str, expression: str, values: object) -> Any:
    """Evaluates an expression of the page's functions for `values`."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / module).write_text((PAGE / module).read_text(encoding="utf-8"), encoding="utf-8")
    script = folder / "check.js"
    script.write_text(
        f'import * as page from "./{module}"\n'
        f"const values = {json.dumps(values)}\n"
        f"console.log(JSON.stringify({expression}))\n"
    )
    return json.loads(run_node(script))


def test_tiles_lie_where_the_library_puts_them(tmp_path: Path) -> None:
    cases = [
        (length, tile, halo)
        for length in (*range(1, 60), 131, 200, 641)
        for tile in (1, 7, 16)
        for halo in (0, 3, 12)
    ]
    found = computed(tmp_path, "tiles.js", "values.map(v => page.planAxis(...v))", cases)
    for case, plan in zip(cases, found, strict=True):
        expected = plan_axis(*case)
        spans = [
            {"start": span.start, "stop": span.stop, "window": span.window}
            for span in expected.spans
        ]
        assert plan == {"size": expected.size, "spans": spans}


def test_the_page_samples_the_windows_that_the_library_samples(tmp_path: Path) -> None:
    halo = 9
    sides = [(385, 384), (384, 384), (720, 1280), (3000, 47), (60, 4001), (1001, 768)]
    facts = {"halo": halo, "cell": CELL, "windows": WINDOWS, "budget": BUDGET}
    expression = "values.sides.map(([h, w]) => page.seenTiles(h, w, values.facts))"
    found = computed(tmp_path, "tiles.js", expression, {"sides": sides, "facts": facts})
    for (height, width), tiles in zip(sides, found, strict=True):
        if height * width <= BUDGET:
            whole = {"y": 0, "x": 0, "height": height, "width": width}
            assert [tile["window"] for tile in tiles] == [whole]
            continue
        spans = sample_windows(height, width, halo).tiles
        assert sum(t["weight"] * t["rows"] * t["columns"] for t in tiles) == pytest.approx(
            height * width
        )
        for tile, (row, column) in zip(tiles, spans, strict=True):
            window = {"y": row.window, "x": column.window, "height": row.size, "width": column.size}
            assert tile["window"] == window
            assert (tile["y"], tile["rows"]) == (row.start, row.stop - row.start)
            assert (tile["x"], tile["columns"]) == (column.start, column.stop - column.start)
            assert (tile["top"], tile["left"]) == (row.inner.start, column.inner.start)


def test_what_was_left_out_has_the_same_words(tmp_path: Path) -> None:
    model: KDSR = make_tiny()
    model.calibration = calibration_for(model, cell_distance=torch.tensor([1e9]))
    shares = [0.0, 0.004, 0.12, 0.456, 0.994, 1.0]
    found = computed(tmp_path, "words.js", "values.map(page.leftOut)", shares)
    idr = model.estimate(torch.rand(1, 3, 9, 9))
    for share, line in zip(shares, found, strict=True):
        expected = explained(model, replace(idr, left_out=torch.tensor([share])))
        assert line.removesuffix(".").lower() == expected.lower()


def test_a_window_is_cut_and_its_own_part_put_back(tmp_path: Path) -> None:
    expression = """(() => {
        const [width, height] = [11, 9]
        const data = Uint8ClampedArray.from({length: 4 * width * height}, (_, i) => (7 * i) % 256)
        const back = new Uint8ClampedArray(4 * width * height)
        let counted = 0
        for (const tile of page.planTiles(height, width, 3, 2)) {
            const planes = page.planesOf({width, height, data}, tile.window)
            counted += page.weightsOf(tile).reduce((sum, weight) => sum + weight, 0)
            const pixels = page.pixelsOf(planes, tile, 1)
            for (let i = 0; i < tile.rows; i++)
                back.set(pixels.subarray(4 * i * tile.columns, 4 * (i + 1) * tile.columns),
                    4 * ((tile.y + i) * width + tile.x))
        }
        const opaque = data.map((value, i) => i % 4 === 3 ? 255 : value)
        return {counted, same: back.every((value, i) => value === opaque[i])}
    })()"""
    assert computed(tmp_path, "tiles.js", expression, None) == {"counted": 99, "same": True}


READINGS = {
    "each sure": ([2.0, 1.0, 6.0, 45.0, -3.0, -3.0, 0.0, 1.0, 5.0], {}),
    "one blur": ([1.1, 1.0, 6.0, 45.0, -3.0, -2.0, 0.0, 1.0, -5.0], {}),
    "none": ([0.1, 0.1, 0.4, 45.0, -3.0, -3.0, -1.0, 1.0, -5.0], {}),
    "little": ([0.3, 0.1, 0.8, 45.0, -0.7, -3.0, 1.0, 9.0, 5.0], {}),
    "perhaps JPEG": ([2.0, 1.0, 6.0, 45.0, -3.0, -3.0, 0.0, 1.0, 0.8], {}),
    "perhaps no JPEG": ([2.0, 1.0, 6.0, 45.0, -3.0, -3.0, 0.0, 1.0, -0.8], {}),
    "short blur unsure": ([2.0, 1.0, 6.0, 45.0, -3.0, 9.0, 9.0, 1.0, 5.0], {}),
    "all unsure": (
        [2.0, 1.0, 6.0, 45.0, 9.0, 9.0, 9.0, 1.0, 5.0], {"jpeg_accuracy": torch.tensor([0.5])}
    ),
    "far out": (
        [-1.0, 1.0, 300.0, 145.0, -3.0, -3.0, 0.0, 1.0, 5.0],
        {"quantiles": torch.linspace(0, 1e-6, 101)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("side", [9, 40])
@pytest.mark.parametrize("name", READINGS)
def test_a_reading_has_the_same_words(tmp_path: Path, name: str, side: int) -> None:
    out_bias, changes = READINGS[name]
    model: KDSR = make_tiny()
    model.calibration = calibration_for(model, out_bias=torch.tensor(out_bias), **changes)
    torch.manual_seed(0)
    lq = torch.rand(1, 3, side, side)
    before = torch.zeros(1, seen_size(model))
    readings = StreamedEstimator(model)(lq, torch.ones_like(lq[:, :1]), before)[3][0]
    values = [readings.tolist(), estimator_facts(model)]
    found = computed(tmp_path, "words.js", "page.words(...values)", values)
    assert found == read(model, model.estimate(lq, dtype="fp32"))[0].words
