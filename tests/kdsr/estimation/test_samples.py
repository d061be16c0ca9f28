"""The sampled cells of a large image are the same on every machine."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsr import KDSR, ConfigError
from kdsr.estimation.features import BUDGET, CELL, WINDOWS, sample_windows
from tests.support.calibrated import calibration_for, small_calibrated


@pytest.fixture(scope="module")
def calibrated() -> KDSR:
    """Every cell of any picture lies inside of its range."""
    model = small_calibrated()
    model.calibration = calibration_for(model, cell_distance=torch.tensor([1000.0]))
    return model


@settings(deadline=None)
@given(height=st.integers(1, 5000), width=st.integers(1, 5000), halo=st.integers(0, 20))
def test_windows_lie_inside_and_hold_a_cell_with_its_halo(
    height: int, width: int, halo: int
) -> None:
    plan = sample_windows(height, width, halo)
    assert len(plan.tiles) == WINDOWS
    for tile in plan.tiles:
        for axis, span, length in zip(
            (plan.rows, plan.columns), tile, (height, width), strict=True
        ):
            assert 0 <= span.window <= span.start < span.stop <= span.window + axis.size <= length
            assert span.stop - span.start == min(length, CELL)
            if length >= CELL + 2 * halo:
                assert span.offset == halo


@settings(deadline=None)
@given(height=st.integers(400, 4000), width=st.integers(400, 4000))
def test_a_pixel_more_moves_every_window_by_a_pixel_at_most(height: int, width: int) -> None:
    before, after = (sample_windows(height, width + more, 12).tiles for more in (0, 1))
    for (row, column), (same, moved) in zip(before, after, strict=True):
        assert row == same
        assert 0 <= moved.window - column.window <= 1


@pytest.mark.parametrize("size", [(400, 400), (1000, 1500), (3000, 4000)])
def test_windows_spread_over_the_image(size: tuple[int, int]) -> None:
    tiles = sample_windows(*size, 12).tiles
    for axis, length in enumerate(size):
        starts = sorted(tile[axis].start for tile in tiles)
        gaps = [b - a for a, b in itertools.pairwise([0, *starts, length])]
        assert max(gaps) < length / 8 + CELL
    whole = {(row.start * 3 // size[0], column.start * 3 // size[1]) for row, column in tiles}
    assert len(whole) == 9, "every ninth is looked at"


@settings(max_examples=10, deadline=None)
@given(tile=st.integers(16, 400), seed=st.integers(0, 99))
def test_an_estimate_does_not_depend_on_tiles(calibrated: KDSR, tile: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for size in ((90, 70), (390, 400)):  # all of it, and windows
        lq = torch.rand(1, 3, *size, generator=generator)
        one, other = (calibrated.estimate(lq, tile=t, dtype="fp32") for t in (None, tile))
        torch.testing.assert_close(one.idr_full, other.idr_full, rtol=0, atol=1e-6)


def test_few_pixels_of_a_large_image_are_looked_at(
    calibrated: KDSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    features = type(calibrated.estimator).features

    def counting(self, x):
        seen.append(x.shape[0] * x.shape[2] * x.shape[3])
        return features(self, x)

    monkeypatch.setattr(type(calibrated.estimator), "features", counting)
    lq = torch.rand(1, 3, 800, 900)
    calibrated.estimate(lq)
    assert sum(seen) < BUDGET
    seen.clear()
    calibrated.estimate(lq, estimate="whole")
    assert sum(seen) >= 800 * 900
    seen.clear()
    calibrated.estimate(lq, mask=torch.ones(1, 1, 800, 900))
    assert sum(seen) >= 800 * 900, "of a mask nothing is passed over"


def test_a_batch_is_estimated_as_its_images_are(calibrated: KDSR) -> None:
    lq = torch.rand(2, 3, 400, 390)
    both = calibrated.estimate(lq, dtype="fp32")
    for index in range(2):
        one = calibrated.estimate(lq[index : index + 1], dtype="fp32")
        torch.testing.assert_close(both[index].idr, one.idr, rtol=0, atol=1e-6)
        assert both[index].structure.item() == pytest.approx(one.structure.item())
        assert one.structure.item() == pytest.approx(400 * 390, rel=0.1), "noise all over"


def test_a_shortage_of_memory_means_one_window_at_a_time(
    calibrated: KDSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    lq = torch.rand(1, 3, 400, 390)
    expected = calibrated.estimate(lq, dtype="fp32")
    features = type(calibrated.estimator).features

    def forgetful(self, x):
        if len(x) > 1:
            raise MemoryError
        return features(self, x)

    monkeypatch.setattr(type(calibrated.estimator), "features", forgetful)
    found = calibrated.estimate(lq, dtype="fp32")
    torch.testing.assert_close(found.idr_full, expected.idr_full, rtol=0, atol=1e-6)


def test_another_way_to_estimate_is_refused(calibrated: KDSR) -> None:
    with pytest.raises(ConfigError, match="sampled or whole, got 'half'"):
        calibrated.estimate(torch.rand(1, 3, 8, 8), estimate="half")
