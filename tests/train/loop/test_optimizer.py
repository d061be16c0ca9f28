"""Rates, and Muon beside Adam."""

import copy
import itertools

import pytest
import torch
from torch import nn

from kdsr import KDSR, KDSRConfig
from train.loop.optimizer import (
    Muon,
    build_optimizer,
    is_matrix,
    learning_rate,
    load_moments,
    orthogonalised,
    set_rate,
)
from train.losses.discriminators import UNetDiscriminator, UnshuffledDiscriminator
from train.recipes.stages import StageOptions

CONFIG = KDSRConfig(4, 8, 1, 1)
MUON = StageOptions(steps=20, warmup=0, lr=1e-2, optimizer="muon")


def network(seed: int = 0) -> KDSR:
    torch.manual_seed(seed)
    return KDSR(CONFIG).train().requires_grad_(True)


def moved(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        set_rate(optimizer, step, MUON)
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(step)
        lq = torch.rand(2, 3, 16, 16, generator=generator)
        model(lq, compose_tail=True)[0].square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(3, 8, 24), (2, 24, 8), (1, 16, 16)])
def test_all_singular_values_come_near_one(shape: tuple[int, ...]) -> None:
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape)))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_many_at_once_are_the_same_as_each_alone() -> None:
    many = torch.randn(4, 8, 24)
    alone = torch.cat([orthogonalised(one[None]) for one in many])
    torch.testing.assert_close(orthogonalised(many), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decades", [0, 3, 8])
@pytest.mark.parametrize("shape", [(2, 32, 288), (2, 288, 32)])
def test_the_small_square_gives_what_whole_matrices_give(
    shape: tuple[int, int, int], decades: int
) -> None:
    u, _, v = torch.linalg.svd(torch.randn(shape, dtype=torch.float64), full_matrices=False)
    matrices = u * torch.logspace(0, -decades, 32, dtype=torch.float64) @ v
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True)
    for _ in range(5):  # Jordan et al., 2024
        x = 3.4445 * x - 4.7750 * x @ x.mT @ x + 2.0315 * x @ x.mT @ x @ x.mT @ x
    torch.testing.assert_close(orthogonalised(matrices).double(), x, rtol=0, atol=1e-3)


def test_a_gradient_of_zero_moves_nothing() -> None:
    assert not orthogonalised(torch.zeros(1, 8, 24)).any()


def test_kernels_move_by_the_rate_and_vectors_as_by_adam() -> None:
    model, other = network(), network()
    before = copy.deepcopy(model.state_dict())
    moved(model, build_optimizer(model, MUON, torch.device("cpu")), range(1))
    adam = StageOptions(steps=20, warmup=0, lr=1e-2)
    moved(other, build_optimizer(other, adam, torch.device("cpu")), range(1))
    kinds = set()
    for name, parameter in model.named_parameters():
        change = parameter.detach() - before[name]
        if is_matrix(parameter):
            share = MUON.estimator_lr if name.startswith("estimator") else 1.0
            rows, columns = parameter.flatten(1).shape
            # Two images give the gradient of a matrix two directions at most.
            least = 0.6 if parameter.ndim == 4 else 0.1
            size = 0.2 * share * MUON.lr * (rows * columns) ** 0.5
            assert least * size < change.norm() < 1.3 * size, name
        else:
            assert torch.equal(parameter, other.get_parameter(name)), name
        kinds.add(is_matrix(parameter))
    assert kinds == {True, False}


def test_a_run_that_goes_on_is_the_run_that_was_not_stopped() -> None:
    whole, part = network(), network()
    moved(whole, build_optimizer(whole, MUON, torch.device("cpu")), range(6))
    optimizer = build_optimizer(part, MUON, torch.device("cpu"))
    moved(part, optimizer, range(3))
    again = network(1)
    again.load_state_dict(part.state_dict())
    resumed = build_optimizer(again, MUON, torch.device("cpu"))
    load_moments(resumed, copy.deepcopy(optimizer.state_dict()))
    moved(again, resumed, range(3, 6))
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name


def test_a_frozen_estimator_stays_and_discriminators_keep_adam() -> None:
    model = network()
    before = copy.deepcopy(model.estimator.state_dict())
    frozen = StageOptions(steps=20, warmup=0, lr=1e-2, optimizer="muon", estimator_lr=0.0)
    moved(model, build_optimizer(model, frozen, torch.device("cpu")), range(2))
    assert all(torch.equal(t, before[k]) for k, t in model.estimator.state_dict().items())
    other = build_optimizer(UnshuffledDiscriminator(8, 4), MUON, torch.device("cpu"))
    assert not isinstance(other, Muon)


def test_the_learning_rate_warms_up_and_falls_to_its_end() -> None:
    options = StageOptions(steps=110, lr=1.0, final_lr=0.1, warmup=10)
    rates = [learning_rate(step, options) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)
    assert all(b <= a for a, b in itertools.pairwise(rates[10:]))


def test_a_discriminator_has_its_share_of_the_learning_rate() -> None:
    options = StageOptions(warmup=0, lr=1e-2, discriminator_lr=3.0)
    for module, share in ((UNetDiscriminator(4), 3.0), (KDSR(KDSRConfig(4, 8, 1, 1)), 1.0)):
        optimizer = build_optimizer(module, options, torch.device("cpu"))
        set_rate(optimizer, 0, options)
        assert optimizer.param_groups[-1]["lr"] == pytest.approx(share * 1e-2)
