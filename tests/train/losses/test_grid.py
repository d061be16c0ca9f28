"""The loss on patterns that come again with every LQ pixel along lines."""

import pytest
import torch
from torch import Tensor

from train.losses.grid import grid_loss

SIDE = 64
PLACES = torch.arange(SIDE)


def noise(*shape: int) -> Tensor:
    """+-0.1."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).sign() * 0.1


def beads(down: int, across: int, period: int = 4) -> Tensor:
    """Beads of two pixels along every line that goes so far down and across, each with its sign."""
    y, x = PLACES[:, None], PLACES[None]
    along, line = (x, y * across - x * down) if across else (y, x + 0 * y)
    sign = noise(4 * SIDE)[line % (4 * SIDE)]
    return (sign * torch.where(along % period < 2, 1, -1)).expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize(("down", "across"), [(0, 1), (1, 0), (1, 1), (-1, 1), (1, 2), (-1, 2)])
def test_beads_along_lines_cost_more_than_others_and_than_noise(down: int, across: int) -> None:
    gt = torch.full((1, 3, SIDE, SIDE), 0.5)
    cost = grid_loss(gt + beads(down, across), gt, 4)
    assert cost > 1.15 * grid_loss(gt + noise(1, 1, SIDE, SIDE), gt, 4)
    assert cost > 1.15 * grid_loss(gt + beads(down, across, period=5), gt, 4)


@pytest.mark.parametrize("turned", [False, True])
def test_a_grid_costs_what_can_be_calculated(turned: bool) -> None:
    gt = torch.full((2, 3, SIDE, 2 * SIDE), 0.5)
    sr = gt.clone()
    sr[..., ::4] += 0.04
    sr[..., 1::4] -= 0.04
    if turned:
        sr, gt = sr.mT, gt.mT
    # Half of the magnitude, in every direction but the one in which its lines run.
    torch.testing.assert_close(grid_loss(sr, gt, 4), torch.tensor(0.02 * 9 / 10))


def test_what_the_image_shows_and_other_periods_cost_nothing() -> None:
    gt = noise(2, 3, SIDE, SIDE) + 0.5
    assert grid_loss(gt, gt, 4) == 0
    torch.testing.assert_close(grid_loss(gt + 0.1, gt, 4), torch.tensor(0.0))
    stripes = gt + noise(SIDE)[:, None].repeat(1, SIDE)
    assert grid_loss(stripes, gt, 1) == 0, "at x1 every pixel has the same place"


def test_it_is_computed_in_float32_and_gives_a_gradient() -> None:
    gt = torch.full((1, 3, 32, 32), 0.5)
    sr = (gt + beads(0, 1)[..., :32, :32]).bfloat16().requires_grad_()
    loss = grid_loss(sr, gt, 4)
    loss.backward()
    assert loss.dtype == torch.float32
    assert sr.grad is not None
    assert sr.grad.isfinite().all()
    assert sr.grad.abs().sum() > 0
