"""The page's own arithmetic and words against the library's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from kdsr import KDSR, read
from kdsr.exports.demo_page import PAGE
from kdsr.exports.export import StreamedEstimator
from kdsr.exports.onnx_file import estimator_facts, seen_size
from kdsr.tiles.plan import plan_axis
from tests.conftest import make_tiny
from tests.support.calibrated import calibration_for
from tools.node import NOT_FOUND, found_node, run_node

pytestmark = pytest.mark.skipif(found_node() is None, reason=NOT_FOUND)


def computed(folder: Path, module: str, expression: str, values: object) -> Any:
    """What an expression of the page's functions makes of `values`."""
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
