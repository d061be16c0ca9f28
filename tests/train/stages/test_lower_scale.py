"""A student of a lower scale that starts with the shrunk result."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import kdsr
from kdsr import KDSR, KDSRConfig
from kdsr.files.weights import save_checkpoint
from train.recipes.options import TrainOptions
from train.recipes.stages import StageOptions
from train.stages.build import build_stage
from train.stages.lower_scale import can_lower, lower_scale


@pytest.mark.parametrize(
    ("old", "new", "can"),
    [(4, 2, True), (4, 1, True), (3, 1, True), (2, 1, True), (4, 3, False), (3, 2, False),
     (2, 2, False), (1, 2, False)],
)  # fmt: skip
def test_scales_that_share_their_first_layers_can_be_lowered(old: int, new: int, can: bool) -> None:
    assert can_lower(KDSRConfig(old, 8, 2, 1), new) is can


@pytest.mark.parametrize(("old", "new"), [(4, 2), (4, 1), (3, 1), (2, 1)])
def test_the_result_is_that_of_the_source_shrunk(old: int, new: int) -> None:
    torch.manual_seed(0)
    source, idr = KDSR(KDSRConfig(old, 8, 2, 1)), torch.rand(2, 8)
    # The kernel of the composed layers is 5 x 5. Without its rim, it fits 3 x 3 exactly.
    for convolution in list(source.network.tail.up)[int(new > 1) :]:
        assert isinstance(convolution, torch.nn.Conv2d)
        centre = torch.zeros(3, 3)
        centre[1, 1] = 1
        convolution.weight.data *= centre
    lower = lower_scale(source, new)
    lq = torch.rand(2, 3, 14, 10)
    wanted = F.avg_pool2d(source(lq, idr)[0], old // new)
    inside = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(lower(lq, idr)[0][inside], wanted[inside], rtol=0, atol=2e-6)
    assert torch.equal(lower.estimator(lq)[0], source.estimator(lq)[0])


@pytest.mark.parametrize("new", [2, 1])
def test_a_bundled_model_keeps_its_picture(new: int) -> None:
    torch.manual_seed(0)
    source, lq = kdsr.load("kdsr-s-x4-photo"), F.avg_pool2d(torch.rand(1, 3, 96, 96), 4)
    lq = F.interpolate(lq, scale_factor=2, mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        wanted = F.avg_pool2d(source(lq)[0], 4 // new)
        error = (lower_scale(source, new)(lq)[0] - wanted).square().mean()
    assert -10 * error.log10() > 30  # dB, on noise


@pytest.mark.parametrize("size", [8, 12])
def test_init_takes_a_student_of_a_higher_scale(size: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = KDSR(KDSRConfig(4, 8, 2, 1))
    save_checkpoint(source, tmp_path / "x4.safetensors")
    chosen = TrainOptions(
        init=str(tmp_path / "x4.safetensors"), stages=("gan",), scale=2, n_feats=size, n_blocks=2,
        n_resblocks=1, gan=StageOptions(gan_weight=0.1), discriminator_feats=4,
    )  # fmt: skip
    said: list[str] = []
    model = build_stage("gan", chosen, said.append).model
    assert isinstance(model, KDSR)
    assert "x4.safetensors of x4 starts x2 with nearly its result, shrunk" in said[0]
    lq = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(model(lq)[0], lower_scale(source, 2)(lq)[0], rtol=0, atol=2e-6)
