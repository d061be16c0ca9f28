"""The benchmark of a very large image, on a smaller one."""

import sys
from pathlib import Path

import pytest

from benchmarks.large_image import make_input, run
from kdsr.files.opening import open_image


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are counted in other units there")
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_large_image_runs_to_its_end_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    make_input(tmp_path / "in.png", 3000, 2000)
    found = run(tmp_path / "in.png", tmp_path / f"out.{suffix}", "--model", "kdsr-s-x4")
    with open_image(tmp_path / f"out.{suffix}") as image:
        assert image.size == (12_000, 8_000)
    # The result has 275 MiB; what Python and PyTorch take by themselves is 224.
    assert found.peak_mib < 1000
