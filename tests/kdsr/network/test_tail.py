import pytest
import torch

from kdsr.network.architecture import SCALES
from kdsr.network.tail import Tail, compose, compose_exactly, run_composed

SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (2, 7), (3, 3), (4, 4), (4, 9), (5, 5), (6, 11), (13, 8)]


def random_tail(scale: int, n_feats: int = 6) -> Tail:
    torch.manual_seed(scale)
    return Tail(n_feats, scale).double()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", SIZES)
def test_composed_tail_equals_the_plain_tail_everywhere(scale: int, size: tuple[int, int]) -> None:
    tail = random_tail(scale)
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    difference = (run_composed(tail, compose(tail), x) - tail(x)).abs().max()
    assert difference <= 1e-9


@pytest.mark.parametrize(("scale", "spoilt"), [(2, 1), (3, 1), (4, 3)])
def test_the_interior_alone_is_wrong_on_the_outermost_pixels_only(scale: int, spoilt: int) -> None:
    tail = random_tail(scale)
    assert tail.spoilt == spoilt
    x = torch.randn(1, 6, 12, 12, dtype=torch.float64)
    difference = (compose(tail).interior(x) - tail(x)).abs().amax((0, 1))
    inner = slice(spoilt, -spoilt)
    assert difference[inner, inner].max() <= 1e-12
    assert difference[spoilt - 1].max() > 1e-3


@pytest.mark.parametrize("scale", SCALES)
def test_gradients_through_the_composed_tail_equal_the_plain_ones(scale: int) -> None:
    tail = random_tail(scale)
    x = torch.randn(2, 6, 9, 7, dtype=torch.float64, requires_grad=True)
    parameters = [x, *tail.parameters()]
    target = torch.randn_like(tail(x))
    plain = torch.autograd.grad((tail(x) - target).square().sum(), parameters)
    composed = torch.autograd.grad(
        (run_composed(tail, compose(tail), x) - target).square().sum(), parameters
    )
    for a, b in zip(plain, composed, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_an_x1_tail_is_one_convolution_and_reaches_one_pixel() -> None:
    tail = random_tail(1)
    x = torch.randn(1, 6, 7, 9, dtype=torch.float64)
    assert torch.equal(tail(x), tail.out(x))
    composed = compose(tail)
    assert torch.equal(composed.weight, tail.out.weight)
    torch.testing.assert_close(composed.interior(x), tail(x), rtol=0, atol=1e-12)
    moved = x.clone()
    moved[..., 3, 4] += 1
    rows, columns = (tail(moved) - tail(x)).abs().amax((0, 1)).nonzero().T
    assert (rows.min(), rows.max()) == (3 - tail.reach, 3 + tail.reach)
    assert (columns.min(), columns.max()) == (4 - tail.reach, 4 + tail.reach)


def test_exact_composition_is_float32_and_rounds_once() -> None:
    tail = random_tail(4).float()
    exact = compose_exactly(tail)
    reference = compose(tail.double())
    assert exact.weight.dtype == torch.float32
    assert torch.equal(exact.weight, reference.weight.float())
    assert torch.equal(exact.bias, reference.bias.float())
