"""The benchmark of a very large image: on a smaller one, and at full size where asked for."""

import sys
from pathlib import Path

import pytest

from benchmarks.large_image import make_input, run
from kdsr.files.opening import open_image


@pytest.mark.timeout(7200)
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are counted in other units there")
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(
    ("width", "height", "most_mib"),
    [
        # The result has 275 MiB; what Python and PyTorch take by themselves is 224.
        pytest.param(3000, 2000, 1000, marks=pytest.mark.slow),
        pytest.param(12_000, 8000, 2048, marks=pytest.mark.large),
    ],
)
def test_a_large_image_runs_to_its_end_in_little_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    height: int,
    most_mib: int,
    suffix: str,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    make_input(tmp_path / "in.png", width, height)
    found = run(tmp_path / "in.png", tmp_path / f"out.{suffix}", "--model", "kdsr-s-x4")
    with open_image(tmp_path / f"out.{suffix}") as image:
        assert image.size == (4 * width, 4 * height)
    assert found.peak_mib < most_mib
