"""A result that does not look like its input when it is shrunk back is made again."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsr import KDSR
from kdsr.network.baked import BakedKDSR
from kdsr.pixels import to_bytes
from kdsr.upscaling.comparing import (
    COARSE,
    FINE,
    MOST_COARSE,
    MOST_FINE,
    MOST_FINE_X1,
    MOST_TAKEN,
    Canvas,
    Comparison,
    Noise,
    compare,
)
from kdsr.upscaling.mending import Mender
from tests.support.calibrated import calibration_for, small_calibrated


def trusting(scale: int) -> KDSR:
    """A model whose range leaves no cell out."""
    made = small_calibrated(scale)
    made.calibration = calibration_for(made, cell_distance=torch.tensor([1000.0]))
    return made


@pytest.fixture(scope="module")
def model() -> KDSR:
    return trusting(2)


def mender(model: KDSR, *, doubted: bool = False) -> Mender:
    return Mender(model, BakedKDSR.from_model(model), doubted=doubted)


def enlarged(lq: torch.Tensor) -> torch.Tensor:
    """An enlargement as close to its input as possible."""
    return lq.repeat_interleave(2, 1).repeat_interleave(2, 2)


def picture(height: int = 96, width: int = 128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    return 0.3 + 0.4 * torch.rand(3, height, width, generator=generator)


@pytest.mark.parametrize("noise", [0.0, 0.08, 0.2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_what_noise_explains_stays_to_the_last_bit(
    model: KDSR, noise: float, dtype: torch.dtype
) -> None:
    lq = 0.3 + 0.4 * F.interpolate(torch.rand(1, 3, 10, 13), (100, 130), mode="bilinear")[0]
    noisy = lq + noise * torch.randn(lq.shape, generator=torch.Generator().manual_seed(1))
    out = enlarged(lq)
    out = out if dtype == torch.float32 else (out * 255).round().to(torch.uint8)
    before = out.clone()
    assert mender(model).mend(Canvas(noisy, out)) == 0
    assert torch.equal(out, before)


def blotched(smooth: torch.Tensor) -> torch.Tensor:
    """Adds enlarged noise, whose blotches are as large as the trace of a line."""
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(1, 3, 32, 42, generator=generator)
    return smooth + 0.07 * F.interpolate(noise, smooth.shape[1:], mode="bicubic")[0]


def test_blotches_of_noise_stay_away_to_the_last_bit(model: KDSR) -> None:
    lq = 0.3 + 0.4 * F.interpolate(torch.rand(1, 3, 4, 5), (160, 210), mode="bilinear")[0]
    out = enlarged(lq)
    before = out.clone()
    assert F.avg_pool2d(blotched(lq) - lq, 4).abs().max() > 1.2 * MOST_FINE
    assert mender(model).mend(Canvas(blotched(lq), out)) == 0
    assert torch.equal(out, before)


def test_a_line_that_is_lost_in_blotches_of_noise_comes_back(model: KDSR) -> None:
    smooth = torch.full((3, 160, 210), 0.6)
    lq = blotched(smooth)
    lq[:, 60:62, 20:80] = 0.0
    out = enlarged(smooth)
    assert 0 < mender(model).mend(Canvas(lq, out)) < 0.5
    assert out[:, 121:123, 80:120].mean() < 0.25


@pytest.mark.parametrize("period", [2, 3, 4])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_a_pattern_that_is_gone_comes_back(
    model: KDSR, period: int, across: bool, dtype: torch.dtype
) -> None:
    smooth = F.interpolate(0.3 + 0.4 * torch.rand(1, 3, 4, 5), (96, 128), mode="bilinear")[0]
    lines = (torch.arange(128 if across else 96) % period == 0).float() * 0.12
    lq = smooth - (lines[None, None] if across else lines[None, :, None])
    out = enlarged(F.avg_pool2d(F.pad(lq, (4,) * 4, mode="replicate"), 9, 1))
    out = out if dtype == torch.float32 else (out * 255).round().to(torch.uint8)
    assert compare(lq, out, 2).repeats.all()
    assert mender(model).mend(Canvas(lq, out)) == 1
    assert compare(lq, out, 2).taken.max() <= MOST_TAKEN


def test_removed_blur_is_no_lost_line_at_x1() -> None:
    """At x1 a blur of 2 px covers half a fine block; at x4 it covers an eighth."""
    sharp = picture() / 2
    sharp[:, 41:44, 37:40] = 1.0
    lq = sharp.clone()
    lq[:, 34:51, 30:47] = blurred(blurred(sharp, 5), 3)[:, 34:51, 30:47]
    out = sharp.clone()
    assert MOST_FINE < F.avg_pool2d(out - lq, 4).abs().max() < MOST_FINE_X1
    assert mender(trusting(1)).mend(Canvas(lq, out)) == 0
    assert torch.equal(out, sharp)


def test_a_lost_line_comes_back_at_x1() -> None:
    lq = torch.full((3, 96, 128), 0.9)
    lq[:, 40:42, 20:80] = 0.1
    out = torch.full_like(lq, 0.9)
    assert 0 < mender(trusting(1)).mend(Canvas(lq, out)) < 0.5
    assert F.avg_pool2d(out - lq, 4).abs().max() <= MOST_FINE_X1


def blurred(lq: torch.Tensor, side: int = 3) -> torch.Tensor:
    return F.avg_pool2d(F.pad(lq, (side // 2,) * 4, mode="replicate"), side, 1)


@pytest.mark.parametrize("colours", [2, 5])
def test_where_there_are_few_colours_nothing_is_noise(model: KDSR, colours: int) -> None:
    generator = torch.Generator().manual_seed(colours)
    palette = torch.linspace(0.35, 0.65, colours) + torch.tensor([[-0.1], [0.0], [0.1]])
    lq = palette[:, torch.randint(0, colours, (96, 128), generator=generator)]
    out = enlarged(blurred(lq))
    found = compare(lq, out, 2)
    assert found.drawn.all()
    assert not found.repeats.any()
    assert found.taken.min() > MOST_TAKEN
    assert mender(model).mend(Canvas(lq, out)) == 1
    assert compare(lq, out, 2).taken.max() <= MOST_TAKEN


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_drawing_in_one_colour_is_a_drawing(channel: int) -> None:
    lq = torch.zeros(3, 96, 128)
    lq[channel] = torch.rand(96, 128).mul(5).floor() / 5
    assert compare(lq, enlarged(blurred(lq)), 2).drawn.all()


@pytest.mark.parametrize("noise", [Noise(0.06, 0.0), Noise(0.0, 0.12), Noise(0.036, 0.096)])
def test_changed_detail_may_lose_as_much_as_the_noise_takes_twice(noise: Noise) -> None:
    side, most = COARSE // FINE, math.hypot(MOST_TAKEN, 0.12)
    fine, yes, no = torch.zeros(3, side, side), torch.tensor([[True]]), torch.tensor([[False]])
    for taken, off in ((0.99 * most, False), (1.01 * most, True)):
        found = Comparison(fine, fine, torch.tensor([[taken]]), no, no, changed=yes)
        assert bool(found.off(no, noise, 2)) == off


@settings(max_examples=20, deadline=None)
@given(
    level=st.floats(0.1, 0.9), sigma=st.floats(8 / 255, 0.3), grey=st.booleans(), seed=st.integers()
)
def test_noise_that_is_taken_away_never_has_few_colours(level, sigma, grey, seed) -> None:
    generator = torch.Generator().manual_seed(seed % 2**31)
    grain = torch.randn(1 if grey else 3, 96, 128, generator=generator)
    lq = to_bytes((level + sigma * grain).clamp(0, 1)).expand(3, -1, -1)
    found = compare(lq, enlarged(torch.full((3, 96, 128), level)), 2)
    assert not found.drawn.any()
    assert not found.changed.any()


def test_blur_that_is_taken_away_stays_away(model: KDSR) -> None:
    sharp = F.avg_pool2d(picture(290, 386), 3)
    out = enlarged(sharp)
    before = out.clone()
    lq = blurred(sharp)
    assert compare(lq, out, 2).taken.min() > MOST_TAKEN
    assert mender(model).mend(Canvas(lq, out)) == 0
    assert torch.equal(out, before)


def test_letters_that_are_drawn_anew_beside_a_clean_photograph_come_back(model: KDSR) -> None:
    lq = blurred(picture(), 9)
    generator = torch.Generator().manual_seed(5)
    letters = (torch.rand(1, 32, 32, generator=generator) < 0.3).float()
    letters = letters * (0.25 + 0.05 * torch.rand(3, 32, 32, generator=generator))
    made = lq.clone()
    lq[:, 32:64, 32:64] += letters
    made[:, 32:64, 32:64] += letters.roll(1, 2)
    out = enlarged(made)
    found = compare(lq, out, 2)
    assert found.changed.nonzero().tolist() == [[1, 1]]
    assert 0 < mender(model).mend(Canvas(lq, out)) < 0.5
    assert compare(lq, out, 2).taken.max() <= 1.2 * MOST_TAKEN


def test_noise_stays_away_unless_the_whole_picture_is_doubted(model: KDSR) -> None:
    lq = picture()
    lq += 0.1 * torch.randn(lq.shape, generator=torch.Generator().manual_seed(0))
    out = enlarged(torch.full_like(lq, 0.5))
    assert not compare(lq, out, 2).repeats.any()
    mender(model, doubted=True).mend(Canvas(lq, out))
    assert compare(lq, out, 2).taken.max() <= MOST_TAKEN


@settings(max_examples=15, deadline=None)
@given(top=st.integers(0, 93), left=st.integers(0, 110), line=st.booleans())  # more than a sliver
def test_a_lost_line_or_shade_comes_back_and_far_from_it_nothing_changes(
    model: KDSR, top: int, left: int, line: bool
) -> None:
    lq, side = picture(), 40
    out = enlarged(lq)
    rows = slice(top, top + 1 if line else top + side)
    columns = slice(left, left + side)
    lq[:, rows, columns] -= 0.6 if line else 0.25
    lq.clamp_(0, 1)
    before = out.clone()
    share = mender(model).mend(Canvas(lq, out))
    off = F.avg_pool2d(out, 2) - lq
    fine = F.avg_pool2d(off, 4, ceil_mode=True, count_include_pad=False)
    coarse = F.avg_pool2d(off, COARSE, ceil_mode=True, count_include_pad=False)
    if share:  # noise was never taken away here
        assert fine.abs().max() <= MOST_FINE + 1e-3
        assert coarse.abs().max() <= MOST_COARSE + 1e-3
    else:
        assert line, "a shade is always seen"
    reach = COARSE + 16
    far = torch.ones(96, 128, dtype=torch.bool)
    far[max(0, top - reach) : rows.stop + reach, max(0, left - reach) : columns.stop + reach] = (
        False
    )
    far = far.repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(out[:, far], before[:, far])


def test_bytes_are_mended_as_floats_are(model: KDSR) -> None:
    lq = picture()
    out = enlarged(lq)
    out[:, 40:120, 30:150] = 0
    as_bytes = (out * 255).round().to(torch.uint8)
    mender(model).mend(Canvas(lq, out))
    mender(model).mend(Canvas(lq, as_bytes))
    assert (as_bytes / 255 - out).abs().max() < 4 / 255


def test_a_result_does_not_depend_on_tiles_where_it_is_mended(model: KDSR) -> None:
    lq = torch.rand(1, 3, 90, 120, generator=torch.Generator().manual_seed(0))
    made = [model.upscale(lq, tile=tile, dtype="fp32") for tile in (None, 40)]
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=1e-4)
    small = F.avg_pool2d(made[0], 2)
    assert (small - lq).abs().mean() < 0.1, "random weights make anything, and it was mended"


def test_a_model_without_a_range_is_left_alone() -> None:
    bare = small_calibrated(2)
    lq, out = picture(), torch.zeros(3, 192, 256)
    assert mender(bare).mend(Canvas(lq, out)) == 0
    assert not out.any()
