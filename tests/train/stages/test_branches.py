import copy

import pytest
import torch
from torch.nn.utils import parametrize

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from train.stages.branches import Branches, add_branches, merge_branches

CONFIG = KDSRConfig(4, 8, 2, 1)


def trained(model: KDSR, steps: int = 3) -> KDSR:
    """A few steps, so that branches are no longer nothing."""
    rng = torch.Generator().manual_seed(0)
    lq, gt = torch.rand(2, 3, 8, 8, generator=rng), torch.rand(2, 3, 32, 32, generator=rng)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(lq)[0] - gt).abs().mean().backward()
        optimizer.step()
    return model


def test_branches_change_nothing_until_they_are_learnt_and_their_sum_is_all_of_them() -> None:
    torch.manual_seed(0)
    model, lq = KDSR(CONFIG), torch.rand(2, 3, 10, 12)
    keys, before = set(model.state_dict()), model(lq)[0]
    add_branches(model)
    torch.testing.assert_close(model(lq)[0], before, rtol=0, atol=0)
    trained(model)
    branches = [module for module in model.modules() if isinstance(module, Branches)]
    assert len(branches) == CONFIG.n_blocks + 1
    assert all(b.point.abs().max() > 0 and b.skip.abs().max() > 0 for b in branches)
    after = model(lq)[0]
    alone = copy.deepcopy(model)
    merge_branches(alone)
    assert set(alone.state_dict()) == keys
    torch.testing.assert_close(alone(lq)[0], after, rtol=0, atol=1e-6)
    fresh = KDSR(CONFIG)
    fresh.load_state_dict(alone.state_dict())
    torch.testing.assert_close(fresh(lq)[0], after, rtol=0, atol=1e-6)
    assert parametrize.is_parametrized(model.network.fuse), "the model in training keeps them"


def test_the_branches_are_a_1x1_convolution_and_the_input() -> None:
    torch.manual_seed(0)
    model, x = KDSR(CONFIG), torch.rand(1, 8, 6, 6)
    plain = copy.deepcopy(model.network.fuse)
    add_branches(model)
    branch = model.network.fuse.get_submodule("parametrizations.weight.0")
    assert isinstance(branch, Branches)
    torch.nn.init.normal_(branch.point)
    torch.nn.init.normal_(branch.skip)
    expected = plain(x) + torch.nn.functional.conv2d(x, branch.point)
    expected += branch.skip.view(1, -1, 1, 1) * x
    torch.testing.assert_close(model.network.fuse(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [KDSR, KDSRTeacher])
def test_a_model_merge_branches_is_left_alone(kind: type[KDSR | KDSRTeacher]) -> None:
    model = kind(CONFIG)
    state = copy.deepcopy(model.state_dict())
    merge_branches(model)
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
