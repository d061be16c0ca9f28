import sys

import pytest
import torch

from benchmarks.timing import resident_peak
from kdsr import KDSR, Cancelled


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_12000_by_8000_image_needs_bounded_memory_and_stops_within_one_tile(
    bundled: KDSR,
) -> None:
    lq = torch.rand(1, 3, 8000, 12000)
    out = torch.empty(1, 3, 32000, 48000, dtype=torch.uint8)  # not touched, so not there yet
    idr = bundled.estimate(lq[..., :256, :256])
    steps: list[int] = []

    def run() -> None:
        with pytest.raises(Cancelled):
            bundled.upscale(
                lq,
                idr,
                out=out,
                progress=lambda done, _total: steps.append(done),
                cancelled=lambda: len(steps) == 3,
            )

    mebibytes = resident_peak(run)
    assert len(steps) == 3
    # Three tiles of the result are 150 MiB of this; checking the input takes 92 MiB.
    assert mebibytes < 2560, f"{mebibytes:.0f} MiB"
