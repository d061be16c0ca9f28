import pytest
import torch

from kdsr import KDSR, IDRError
from kdsr.network.architecture import SCALES
from kdsr.network.baked import BakedKDSR
from tests.conftest import make_tiny


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(1, 1), (3, 8), (17, 13)])
def test_a_baked_network_equals_the_model(scale: int, size: tuple[int, int]) -> None:
    model = make_tiny(scale)
    lq = torch.rand(2, 3, *size)
    idr = model.estimate(lq, dtype="fp32").mean()
    expected = model(lq, idr.idr)[0]
    torch.testing.assert_close(model.bake(idr)(lq), expected, rtol=1e-5, atol=1e-5)


def test_a_baked_network_travels_as_plain_modules(tiny: KDSR) -> None:
    baked = tiny.bake(tiny.estimate(torch.rand(1, 3, 8, 8)))
    copy = BakedKDSR(tiny.config)
    copy.load_state_dict(baked.state_dict())
    lq = torch.rand(1, 3, 9, 9)
    assert torch.equal(copy(lq), baked(lq))
    kinds = {type(m).__module__.split(".")[0] for m in baked.modules()} - {"kdsr"}
    assert kinds == {"torch"}


def test_baking_leaves_the_model_alone(tiny: KDSR) -> None:
    lq = torch.rand(1, 3, 8, 8)
    idr = tiny.estimate(lq, dtype="fp32")
    before = tiny(lq)[0]
    baked = tiny.bake(idr)
    baked.to(torch.bfloat16)
    for parameter in baked.parameters():
        parameter.data.zero_()
    assert torch.equal(tiny(lq)[0], before)


def test_baking_refuses_several_idrs_or_another_models(tiny: KDSR) -> None:
    with pytest.raises(IDRError, match="holds one IDR, got a batch of 2"):
        tiny.bake(tiny.estimate(torch.rand(2, 3, 8, 8)))
    with pytest.raises(IDRError, match="estimate it again"):
        tiny.bake(make_tiny(seed=1).estimate(torch.rand(1, 3, 8, 8)))


@pytest.fixture(scope="module")
def baked(tiny: KDSR) -> BakedKDSR:
    torch.manual_seed(0)
    return tiny.bake(tiny.estimate(torch.rand(1, 3, 16, 16)))


def test_tiles_without_the_halo_are_not_exact(baked: BakedKDSR) -> None:
    lq = torch.rand(1, 3, 16, 48)
    whole = baked(lq)
    tiles = torch.cat([baked(part) for part in lq.split(24, 3)], 3)
    assert (tiles - whole).abs().max() > 1e-3
    left = baked(lq[..., : 24 + baked.halo])[..., : 24 * 4]
    torch.testing.assert_close(left, whole[..., : 24 * 4], rtol=1e-5, atol=1e-5)
