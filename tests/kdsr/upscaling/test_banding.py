"""Bands have the pixels of the whole result, mended ones too, and hold little of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsr import KDSR
from kdsr.network.baked import BakedKDSR
from kdsr.options import UNWATCHED, Tiling
from kdsr.pixels import as_floats, to_bytes
from kdsr.upscaling.banding import mended
from kdsr.upscaling.comparing import CELL, Canvas
from kdsr.upscaling.mending import REACH, Mender
from kdsr.upscaling.upscaler import Upscaler
from tests.support.calibrated import calibration_for, small_calibrated

HEIGHT, WIDTH = 700, 90


@pytest.fixture(scope="module")
def model() -> KDSR:
    made = small_calibrated(2)
    made.calibration = calibration_for(made, cell_distance=torch.tensor([1000.0]))
    return made


def picture(height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return 0.3 + 0.4 * torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))


def enlarged(lq: torch.Tensor) -> torch.Tensor:
    return lq.repeat_interleave(2, 1).repeat_interleave(2, 2)


def cut(out: torch.Tensor, height: int) -> Iterator[torch.Tensor]:
    """Yields bands like the network: in one buffer that it uses again."""
    buffer = torch.empty(height, out.shape[2], 3, dtype=out.dtype).movedim(-1, 0)
    for band in out.split(height, 1):
        buffer[:, : band.shape[1]] = band
        yield buffer[:, : band.shape[1]]


@settings(max_examples=12, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, HEIGHT - 40), st.sampled_from([1, 40, 200]))),
    band=st.sampled_from([34, 256, 2 * HEIGHT]),
    dtype=st.sampled_from([torch.float32, torch.uint8]),
    dark=st.booleans(),
)
def test_bands_are_mended_as_the_whole_is(model: KDSR, rows, band, dtype, dark) -> None:
    lq = picture()
    out = enlarged(lq)
    for top, height in rows:
        lq[:, top : top + height, 20:70] -= 0.9 if dark else 0.3
    lq.clamp_(0, 1)
    out = out if dtype == torch.float32 else to_bytes(out)
    expected = out.clone()
    mender = Mender(model, BakedKDSR.from_model(model))
    mender.mend(Canvas(lq, expected))
    found = [part.clone() for part in mended(mender, lq, cut(out, band), None)]
    assert torch.equal(torch.cat(found, 1), expected)


def test_rows_far_above_what_is_off_are_given_before_it_is_seen(model: KDSR) -> None:
    lq = picture()
    out, last = enlarged(lq), 500
    lq[:, last : last + 40, 20:70] = 0
    asked = 0

    def bands() -> Iterator[torch.Tensor]:
        nonlocal asked
        for band in out.split(2 * CELL, 1):
            asked += CELL
            yield band

    mender = Mender(model, BakedKDSR.from_model(model))
    parts = [(asked, part.shape[1] // 2) for part in mended(mender, lq, bands(), None)]
    early = sum(rows for seen, rows in parts if seen <= last)
    assert last - REACH - 2 * CELL <= early <= last - REACH
    assert all(seen - REACH >= CELL for seen, _ in parts)


def test_a_models_bands_are_its_result_where_all_of_it_is_mended(
    model: KDSR, tmp_path: Path
) -> None:
    levels = to_bytes(torch.rand(1, 3, 150, 90, generator=torch.Generator().manual_seed(0)))
    upscaler = Upscaler(model, Tiling(40, dtype="fp32"))
    lq = as_floats(levels)
    idr = upscaler.estimate(lq)
    assert torch.equal(idr.idr, upscaler.estimate(levels).idr)
    out = torch.empty(1, 3, 300, 180, dtype=torch.uint8)
    whole = upscaler.upscale(lq, idr, out=out)[0]
    raw = list(upscaler._bands(upscaler._network(), lq, idr, torch.uint8, job=UNWATCHED))
    for source in (lq, levels):
        bands = [band.clone() for band in upscaler.bands(source, idr, folder=tmp_path)]
        assert torch.equal(torch.cat(bands, 1), whole)
    assert not torch.equal(raw[-1], whole[:, -raw[-1].shape[1] :]), "it was mended"
    assert not list(tmp_path.iterdir())
