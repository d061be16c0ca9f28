"""The loss on patterns that come again with every LQ pixel along lines."""

import pytest
import torch
from torch import Tensor

from train.losses.grid import grid_loss

SIDE = 64
PLACES = torch.arange(SIDE)
FLAT = torch.full((1, 3, SIDE, SIDE), 0.5)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """+-0.1."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).sign() * 0.1


def beads(down: int, across: int, period: int = 4) -> Tensor:
    """Beads of two pixels along every line that goes so far down and across, each with its sign."""
    y, x = PLACES[:, None], PLACES[None]
    along, line = (x, y * across - x * down) if across else (y, x + 0 * y)
    sign = noise(8 * SIDE)[line % (8 * SIDE)]
    return (sign * torch.where(along % period < 2, 1, -1)).expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    ("down", "across"), [(0, 1), (1, 0), (1, 1), (-1, 1), (1, 2), (-1, 2), (1, 4)]
)
def test_beads_along_lines_cost_more_than_others_and_than_noise(down: int, across: int) -> None:
    cost = grid_loss(FLAT + beads(down, across), FLAT, 4)
    assert cost > 1.05 * grid_loss(FLAT + noise(1, 3, SIDE, SIDE), FLAT, 4)
    assert cost > 1.1 * grid_loss(FLAT + beads(down, across, period=5), FLAT, 4)


@pytest.mark.parametrize("turned", [False, True])
def test_a_grid_costs_what_can_be_calculated(turned: bool) -> None:
    gt = torch.full((2, 3, SIDE, 2 * SIDE), 0.5)
    sr = gt.clone()
    sr[..., ::4] += 0.04
    sr[..., 1::4] -= 0.04
    if turned:
        sr, gt = sr.mT, gt.mT
    # Half of the magnitude along rows, what falls from them and what falls by a row in a column.
    # Steeper lines mix places: half of that, nothing.
    torch.testing.assert_close(grid_loss(sr, gt, 4), torch.tensor(0.02 * (7 + 2 + 2 / 2) / 14))


def test_blocks_of_an_lq_pixel_cost_but_slopes_and_soft_edges_do_not() -> None:
    x = torch.arange(SIDE) / SIDE
    wave = (torch.cos(2 * torch.pi * x) / 2 + 0.5).expand(1, 3, SIDE, SIDE)
    blocks = wave.view(1, 3, SIDE, SIDE // 4, 4).mean(4, keepdim=True).expand(-1, -1, -1, -1, 4)
    assert grid_loss(wave, torch.full_like(wave, 0.5), 4) < 1e-3
    assert grid_loss(blocks.reshape(wave.shape), wave, 4) > 4e-3


def test_what_the_original_has_as_strongly_costs_nothing() -> None:
    texture = FLAT + noise(1, 3, SIDE, SIDE)
    assert grid_loss(texture, texture, 4) == 0
    assert grid_loss(FLAT, texture, 4) == 0, "less is no excess"
    torch.testing.assert_close(grid_loss(texture + 0.1, texture, 4), torch.tensor(0.0))
    grid = beads(0, 1)
    torch.testing.assert_close(grid_loss(FLAT - grid, FLAT + grid, 4), torch.tensor(0.0))
    assert grid_loss(texture + grid, texture, 4) > 0.3 * grid_loss(FLAT + grid, FLAT, 4)
    assert grid_loss(FLAT + grid, FLAT, 1) == 0, "at x1 every pixel has the same place"


def test_it_is_computed_in_float32_and_gives_a_gradient() -> None:
    sr = (FLAT + beads(0, 1)).bfloat16().requires_grad_()
    loss = grid_loss(sr, FLAT, 4)
    loss.backward()
    assert loss.dtype == torch.float32
    assert sr.grad is not None
    assert sr.grad.isfinite().all()
    assert sr.grad.abs().sum() > 0


def test_four_steps_of_a_training_look_at_every_direction_once():
    sr, gt = noise(1, 3, SIDE, SIDE), noise(1, 3, SIDE, SIDE).flip(2)
    parts = [grid_loss(sr, gt, 4, step=step) * count for step, count in enumerate((4, 4, 3, 3))]
    torch.testing.assert_close(torch.stack(parts).sum() / 14, grid_loss(sr, gt, 4))
