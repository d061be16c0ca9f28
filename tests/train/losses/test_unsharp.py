"""The unsharp mask on targets."""

import pytest
import torch

from train.losses.unsharp import unsharp


def test_an_edge_overshoots_on_both_sides_and_flat_areas_stay() -> None:
    edge = torch.full((1, 3, 24, 48), 0.3)
    edge[..., 24:] = 0.6
    sharp = unsharp(edge, 1.0, 1.5)
    assert sharp[..., 23].max() < 0.22
    assert sharp[..., 24].min() > 0.68
    torch.testing.assert_close(sharp[..., :10], edge[..., :10])
    torch.testing.assert_close(sharp[..., 38:], edge[..., 38:])


def test_what_is_fainter_than_ten_steps_is_left_alone() -> None:
    faint = 0.5 + 8 / 255 * torch.randint(0, 2, (2, 3, 20, 30)).float()
    assert torch.equal(unsharp(faint, 2.0, 8.0), faint)


def test_it_is_published_for_the_published_numbers() -> None:
    # Real-ESRGAN's mask, written out over every pixel of a small image; its window has 51 taps.
    image = torch.rand(1, 1, 60, 60, dtype=torch.float64)
    axis = torch.arange(-24, 25, dtype=torch.float64)
    taps = torch.exp(-(axis**2) / (2 * 8**2))
    kernel = torch.outer(taps, taps) / taps.sum() ** 2

    def blurred(x: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(x, (24,) * 4, mode="reflect")
        return torch.nn.functional.conv2d(padded, kernel[None, None])

    residual = image - blurred(image)
    soft = blurred((residual.abs() * 255 > 10).double())
    expected = soft * (image + 0.5 * residual).clamp(0, 1) + (1 - soft) * image
    torch.testing.assert_close(unsharp(image, 0.5, 8.0), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 5, 40), (2, 1, 2, 2)])
def test_the_blur_may_be_wider_than_the_image(shape: tuple[int, ...]) -> None:
    assert unsharp(torch.rand(shape), 0.5, 8.0).shape == shape


def test_autocast_does_not_round_the_target() -> None:
    image = torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = unsharp(image, 0.5, 4.0)
    assert torch.equal(rounded, unsharp(image, 0.5, 4.0))
