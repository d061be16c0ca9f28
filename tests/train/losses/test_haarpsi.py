"""HaarPSI with gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from train.losses.haarpsi import SMALLEST, haarpsi, haarpsi_loss


def drawn(height: int, width: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Two noisy images and what they were made from."""
    gt = rng.random((2, 3, height, width))
    sr = gt.astype(np.float32) + 0.2 * rng.standard_normal(gt.shape)
    return torch.from_numpy(sr.clip(0, 1)).float(), torch.from_numpy(gt).float()


def test_it_is_what_piq_calculates() -> None:
    # piq 0.8.0, `haarpsi(sr, gt, reduction="none")`; the second images have odd sides.
    rng = np.random.default_rng(5)
    even, odd = haarpsi(*drawn(48, 64, rng)), haarpsi(*drawn(33, 41, rng))
    torch.testing.assert_close(even, torch.tensor([0.6287394, 0.6262623]), rtol=0, atol=2e-5)
    torch.testing.assert_close(odd, torch.tensor([0.6820835, 0.6779736]), rtol=0, atol=2e-5)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_equal_images_of_one_colour_have_no_loss_and_no_gradient(level: float) -> None:
    flat = torch.full((1, 3, 32, 32), level)
    sr = flat.clone().requires_grad_()
    loss = haarpsi_loss(sr, flat)
    loss.backward()
    assert loss.abs() < 1e-5
    assert sr.grad is not None
    assert sr.grad.abs().max() < 1e-6


def test_a_softened_edge_and_a_ring_cost_more_than_brightness() -> None:
    edge = torch.full((1, 3, 32, 64), 0.3)
    edge[..., 32:] = 0.6
    soft, ringing = edge.clone(), edge.clone()
    soft[..., 28:36] = torch.linspace(0.3, 0.6, 8)
    ringing[..., 24:28] -= 0.1
    brighter = edge + 0.1
    losses = [float(haarpsi_loss(sr, edge)) for sr in (brighter, soft, ringing)]
    assert losses[0] < losses[1] / 3
    assert losses[0] < losses[2] / 3


def test_going_down_its_gradient_makes_an_edge_steeper() -> None:
    edge = torch.full((1, 3, 32, 64), 0.3)
    edge[..., 32:] = 0.6
    soft = edge.clone()
    soft[..., 28:36] = torch.linspace(0.3, 0.6, 8)
    sr = soft.clone().requires_grad_()
    haarpsi_loss(sr, edge).backward()
    assert sr.grad is not None
    better = soft - 0.02 * sr.grad / sr.grad.abs().max()
    assert haarpsi(better, edge) > haarpsi(soft, edge)
    assert (better[..., 32] - better[..., 31]).mean() > (soft[..., 32] - soft[..., 31]).mean()


def test_it_is_computed_in_float32_and_refuses_what_its_filters_do_not_fit() -> None:
    sr, gt = drawn(32, 32, np.random.default_rng(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = haarpsi(sr, gt)
    assert torch.equal(rounded, haarpsi(sr, gt))
    with pytest.raises(ValueError, match="at least 16 px"):
        haarpsi(sr[..., : SMALLEST - 1], gt[..., : SMALLEST - 1])
