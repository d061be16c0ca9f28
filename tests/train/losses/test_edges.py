"""The edge loss on edges made by code."""

import pytest
import torch
from torch import Tensor

from train.losses.edges import edge_loss


def edge(degrees: float, wave: float = 0.0, softness: float = 1.0, side: int = 64) -> Tensor:
    """An edge through the middle; `wave` px is the height of its waves, 8 px their length."""
    angle = torch.tensor(degrees).deg2rad()
    y, x = torch.meshgrid(*[torch.arange(side) - side / 2] * 2, indexing="ij")
    across = x * angle.cos() + y * angle.sin()
    along = y * angle.cos() - x * angle.sin()
    place = across + wave * (2 * torch.pi * along / 8).sin()
    return torch.sigmoid(place / softness)[None, None].expand(1, 3, side, side)


@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0, 90.0, 130.0])
def test_waves_cost_more_the_higher_they_are(degrees: float) -> None:
    straight = edge(degrees)
    costs = [edge_loss(edge(degrees, wave), straight).item() for wave in (0.0, 0.5, 1.0, 2.0)]
    assert costs == sorted(costs)
    assert costs[0] < 0.02
    assert costs[2] > 0.2


@pytest.mark.parametrize("softness", [0.7, 2.0, 4.0])
def test_sharpness_contrast_and_place_cost_nothing(softness: float) -> None:
    straight = edge(30.0)
    softer = edge(30.0, softness=softness)
    assert edge_loss(softer, straight) < 0.02
    assert edge_loss(0.3 + 0.2 * straight, straight) < 0.02
    assert edge_loss(softer.roll(2, 3)[..., 8:-8, 8:-8], straight[..., 8:-8, 8:-8]) < 0.02


def test_an_edge_in_another_direction_costs_most() -> None:
    assert edge_loss(edge(90.0), edge(0.0)) > 0.9


def test_noise_has_no_direction() -> None:
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert edge_loss(noise, edge(60.0)).item() == pytest.approx(2 / torch.pi, abs=0.05)


@pytest.mark.parametrize("flat", [0.0, 1.0])
def test_flat_images_have_gradients_that_are_numbers(flat: float) -> None:
    for gt in (torch.full((1, 3, 32, 32), flat), edge(10.0, side=32)):
        sr = torch.full((1, 3, 32, 32), flat, requires_grad=True)
        edge_loss(sr, gt).backward()
        assert sr.grad is not None
        assert sr.grad.isfinite().all()


def test_autocast_does_not_round_faint_edges() -> None:
    straight = 0.5 + 0.01 * edge(30.0)
    sr = 0.5 + 0.01 * edge(30.0, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = edge_loss(sr, straight)
    torch.testing.assert_close(found, edge_loss(sr, straight))


def test_a_step_against_the_gradient_straightens_an_edge() -> None:
    straight, sr = edge(25.0), edge(25.0, wave=1.0).clone().requires_grad_()
    first = edge_loss(sr, straight)
    for _ in range(30):
        loss = edge_loss(sr, straight)
        (slope,) = torch.autograd.grad(loss, sr)
        sr = (sr - 0.01 * slope / slope.abs().max()).detach().requires_grad_()
    assert edge_loss(sr, straight) < 0.8 * first
