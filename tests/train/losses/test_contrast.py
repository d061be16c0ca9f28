"""The loss on local contrast."""

import pytest
import torch
import torch.nn.functional as F

from train.losses.contrast import contrast_loss


def textured(seed: int) -> torch.Tensor:
    return 0.5 + 0.1 * torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(seed))


def softened(images: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(images, 5, 1, 2, count_include_pad=False)


def test_another_texture_of_the_same_strength_costs_less_than_a_softened_one() -> None:
    gt = textured(0)
    other, soft = contrast_loss(textured(1), gt), contrast_loss(softened(gt), gt)
    assert other < soft / 4
    assert F.l1_loss(textured(1), gt) > F.l1_loss(softened(gt), gt), "L1 has it the other way"


def test_texture_where_the_original_is_flat_costs_as_much_as_its_lack_elsewhere() -> None:
    flat, gt = torch.full((2, 3, 48, 64), 0.5), textured(0)
    torch.testing.assert_close(contrast_loss(gt, flat), contrast_loss(flat, gt))
    assert contrast_loss(flat, flat) == 0


@pytest.mark.parametrize("transposed", [False, True])
def test_a_wave_has_the_contrast_that_can_be_calculated(transposed: bool) -> None:
    # Columns of 0.4 and 0.6: neighbours differ by 0.2, means of two and of four columns do not.
    wave = torch.tensor([0.4, 0.6]).repeat(20).expand(1, 3, 40, 40)
    flat = torch.full_like(wave, 0.5)
    if transposed:
        wave = wave.mT
    expected = ((0.2**2 + 1e-5) ** 0.5 - 1e-5**0.5) / 6
    torch.testing.assert_close(contrast_loss(wave, flat), torch.tensor(expected))


def test_it_is_computed_in_float32_and_gives_a_gradient_on_flat_areas() -> None:
    sr, gt = torch.full((1, 3, 32, 32), 0.5, requires_grad=True), textured(0)[:1, :, :32, :32]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = contrast_loss(sr, gt)
    loss.backward()
    assert loss.dtype == torch.float32
    assert sr.grad is not None
    assert sr.grad.isfinite().all()
