import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsr import KDSR, Cancelled, IDRError, ImageError


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), tile=st.integers(1, 40))
def test_streaming_equals_one_pass(tiny: KDSR, height: int, width: int, tile: int) -> None:
    torch.manual_seed(height * width)
    lq = torch.rand(2, 3, height, width)
    idr, idr_full = tiny.estimator(lq)
    streamed = tiny.estimate(lq, tile=tile, dtype="fp32")
    assert (streamed.idr - idr).abs().max() <= 1e-6
    assert (streamed.idr_full - idr_full).abs().max() <= 1e-6


def test_averaging_the_estimates_of_tiles_is_not_the_same(tiny: KDSR) -> None:
    torch.manual_seed(1)
    lq = torch.rand(1, 3, 32, 64) * torch.linspace(0, 1, 64)
    halves = [tiny.estimate(half, dtype="fp32").idr for half in lq.split(32, dim=3)]
    whole = tiny.estimate(lq, dtype="fp32").idr
    assert (torch.stack(halves).mean(0) - whole).abs().max() > 1e-5


@pytest.mark.parametrize("tile", [None, 7])
def test_a_mask_of_ones_changes_nothing(tiny: KDSR, tile: int | None) -> None:
    lq = torch.rand(2, 3, 20, 24)
    masked = tiny.estimate(lq, mask=torch.ones(1, 1, 20, 24), tile=tile, dtype="fp32")
    torch.testing.assert_close(masked.idr, tiny.estimate(lq, dtype="fp32").idr)


def test_only_the_masked_region_counts(tiny: KDSR) -> None:
    torch.manual_seed(2)
    lq = torch.rand(1, 3, 24, 60)
    mask = torch.zeros(1, 1, 24, 60)
    mask[..., :24] = 1
    changed = lq.clone()
    # Beyond the estimator's receptive field (halo 8) of the masked region.
    changed[..., 24 + 8 :] = 0
    before, after = (tiny.estimate(image, mask=mask, dtype="fp32") for image in (lq, changed))
    torch.testing.assert_close(before.idr_full, after.idr_full)
    assert not torch.allclose(before.idr_full, tiny.estimate(changed, dtype="fp32").idr_full)


def test_an_empty_mask_is_refused(tiny: KDSR) -> None:
    with pytest.raises(IDRError, match="mask is empty"):
        tiny.estimate(torch.rand(1, 3, 8, 8), mask=torch.zeros(1, 1, 8, 8))


def test_a_mask_of_another_size_is_refused(tiny: KDSR) -> None:
    with pytest.raises(ImageError, match=r"expected a mask of shape .*\(1, 1, 4, 4\)"):
        tiny.estimate(torch.rand(1, 3, 8, 8), mask=torch.ones(1, 1, 4, 4))


def test_a_wrapped_estimate_does_not_depend_on_where_the_texture_starts(tiny: KDSR) -> None:
    torch.manual_seed(3)
    lq = torch.rand(1, 3, 18, 22)
    rolled = lq.roll((5, 7), dims=(2, 3))
    a, b = (tiny.estimate(x, wrap=(True, True), dtype="fp32", tile=9) for x in (lq, rolled))
    torch.testing.assert_close(a.idr_full, b.idr_full, rtol=1e-5, atol=1e-6)


def test_estimation_can_be_cancelled_between_tiles(tiny: KDSR) -> None:
    steps = []
    with pytest.raises(Cancelled):
        tiny.estimate(
            torch.rand(1, 3, 40, 40),
            tile=10,
            progress=lambda done, total: steps.append((done, total)),
            cancelled=lambda: len(steps) == 2,
        )
    assert [done for done, _ in steps] == [1, 2]
