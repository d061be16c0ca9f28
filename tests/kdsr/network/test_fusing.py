"""Blocks in fewer passes over memory compute what the plain ones do."""

import pytest
import torch

from kdsr import KDSR, KDSRConfig
from kdsr.network.baked import BakedKDSR, can_fuse
from kdsr.tiles.work import pick_dtype
from kdsr.upscaling.upscaler import Upscaler


def test_a_fused_network_is_the_plain_one_up_to_rounding() -> None:
    torch.manual_seed(0)
    model = KDSR(KDSRConfig.preset("s")).freeze()
    lq = torch.rand(1, 3, 40, 50)
    baked = BakedKDSR.from_model(model, model.estimate(lq))
    with torch.inference_mode():
        exact = baked(lq)
        baked.cast_body(torch.bfloat16)
        if not can_fuse(baked.fuse.weight):
            pytest.skip("this CPU or PyTorch has no fused bf16 convolutions")
        plain = baked(lq)
        baked.fused = True
        fused = baked(lq)
    assert not torch.equal(fused, plain)
    assert (fused - exact).abs().mean() <= 1.05 * (plain - exact).abs().mean()
    assert (fused - exact).abs().max() < 0.05 * exact.abs().max()


def test_only_bf16_on_a_cpu_is_fused() -> None:
    assert not can_fuse(torch.zeros(1))
    assert not can_fuse(torch.zeros(1, device="meta", dtype=torch.bfloat16))


def test_baked_networks_for_others_are_plain_and_the_upscalers_own_are_fused() -> None:
    model = KDSR(KDSRConfig(scale=2, n_feats=8, n_blocks=1)).freeze()
    upscaler = Upscaler(model)
    network = upscaler._network()
    fits = pick_dtype("auto", torch.device("cpu")) == torch.bfloat16
    assert network.fused == (fits and can_fuse(network.fuse.weight))
    assert not BakedKDSR.from_model(model).fused
