import math

import pytest
import torch

from kdsr.pixels import coded, linear_of, shown


@pytest.mark.parametrize("peak", [0.5, 1.0, 1.5, 16.0, 1e4, 65504.0])
def test_linear_light_comes_back(peak: float) -> None:
    light = torch.cat((torch.zeros(1), torch.logspace(-6, math.log10(peak), 2000)))
    values, span = coded(light)
    assert values.min() == 0
    assert values.max() <= 1
    assert (span > 1) == (peak > 1)
    torch.testing.assert_close(linear_of(values, span), light, rtol=2e-5, atol=1e-8)


def test_what_lies_below_white_is_coded_as_srgb() -> None:
    values, span = coded(torch.tensor([0.0, 0.002, 0.2140411, 1.0]))
    assert span == pytest.approx(1, abs=1e-6)
    assert values.tolist() == pytest.approx([0, 0.02584, 0.5, 1], abs=1e-5)


def test_the_curve_has_no_step_and_no_kink_at_white() -> None:
    near = torch.tensor([0.998, 0.999, 1.0, 1.001, 1.002, 2.0], dtype=torch.float64)
    values, span = coded(near)
    steps = (values * span).diff()[:4] / 0.001
    assert (steps - 1.055 / 2.4).abs().max() < 1e-3


def test_a_screen_shows_white_for_all_that_is_brighter() -> None:
    values, span = coded(torch.tensor([0.2140411, 1.0, 9.0]))
    assert shown(values, span).tolist() == pytest.approx([0.5, 1, 1], abs=1e-5)
