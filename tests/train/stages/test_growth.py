"""A larger network that starts as a smaller one."""

from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from kdsr.files.weights import save_checkpoint
from train.errors import TrainingError
from train.recipes.options import TrainOptions
from train.recipes.session_options import StageName
from train.recipes.stages import StageOptions
from train.stages.build import build_stage
from train.stages.growth import can_grow, grow

Network = TypeVar("Network", KDSR, KDSRTeacher)
OLD, NEW = KDSRConfig(4, 8, 2, 1), KDSRConfig(4, 12, 5, 3)


def grown(source: Network, fresh: Network) -> Network:
    grow(source, fresh)
    return fresh


def test_a_student_gives_the_same_picture_and_idr() -> None:
    torch.manual_seed(0)
    small, lq = KDSR(OLD), torch.rand(2, 3, 14, 10)
    large = grown(small, KDSR(NEW))
    wanted, idr, idr_full = small(lq)
    sr, more, more_full = large(lq)
    torch.testing.assert_close(sr, wanted, rtol=0, atol=2e-6)
    torch.testing.assert_close(more[:, :8], idr, rtol=0, atol=2e-6)
    torch.testing.assert_close(more_full[:, :32], idr_full, rtol=0, atol=2e-6)
    assert more[:, 8:].abs().max() > 0.01, "new entries of the IDR are alive"


def test_a_teacher_does_too() -> None:
    torch.manual_seed(0)
    pair = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32)
    small = KDSRTeacher(OLD)
    torch.testing.assert_close(
        grown(small, KDSRTeacher(NEW))(*pair)[0], small(*pair)[0], rtol=0, atol=2e-6
    )


@pytest.mark.parametrize("new", [KDSRConfig(4, 12, 2, 1), KDSRConfig(4, 8, 5, 1), NEW])
def test_what_is_new_is_learnt(new: KDSRConfig) -> None:
    torch.manual_seed(0)
    small = KDSR(OLD)
    large = grown(small, KDSR(new))
    lq, gt = torch.rand(2, 3, 12, 12), torch.rand(2, 3, 48, 48)
    optimizer = torch.optim.Adam(large.parameters(), 1e-3)
    before = {name: tensor.clone() for name, tensor in large.state_dict().items()}
    for _ in range(3):
        optimizer.zero_grad()
        (large(lq)[0] - gt).abs().mean().backward()
        optimizer.step()
    after = large.state_dict()
    assert not [name for name in after if torch.equal(after[name], before[name])]
    block = next(i for i in range(new.n_blocks) if i not in (1, 3)) if new.n_blocks == 5 else 0
    weight = after[f"network.blocks.{block}.conv.weight"]
    assert (weight.abs().amax((2, 3)) > 0).all(), "each output has come to read each input"


def test_blocks_are_spread_evenly() -> None:
    torch.manual_seed(0)
    large = grown(KDSR(OLD), KDSR(NEW)).state_dict()
    empty = [not large[f"network.blocks.{i}.conv.weight"][:8].any() for i in range(5)]
    assert empty == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("new", "can"),
    [
        (NEW, True),
        (KDSRConfig(4, 8, 2, 2), True),
        (KDSRConfig(4, 12, 5, 1), True),
        (OLD, False),
        (KDSRConfig(2, 12, 5, 3), False),
        (KDSRConfig(4, 12, 1, 3), False),
        (KDSRConfig(4, 4, 5, 3), False),
    ],
)
def test_nothing_shrinks_and_the_scale_stays(new: KDSRConfig, can: bool) -> None:
    assert can_grow(OLD, new) is can


def test_an_estimator_may_get_lighter_and_the_network_is_still_the_smaller_ones() -> None:
    torch.manual_seed(0)
    small, lq = KDSR(KDSRConfig(4, 8, 2, 4)), torch.rand(2, 3, 14, 10)
    large = grown(small, KDSR(KDSRConfig(4, 12, 5, 2)))
    idr = torch.rand(2, 8)
    more = torch.cat((idr, torch.rand(2, 4)), 1)
    torch.testing.assert_close(large(lq, more)[0], small(lq, idr)[0], rtol=0, atol=2e-6)
    old, new = small.estimator.state_dict(), large.estimator.state_dict()
    for place, kept in ((0, 1), (1, 3)):
        name = "conv1.weight"
        assert torch.equal(new[f"blocks.{place}.{name}"][:8, :8], old[f"blocks.{kept}.{name}"])


def options(init: Path, new: KDSRConfig, stages: tuple[StageName, ...]) -> TrainOptions:
    shape: Any = {"n_feats": new.n_feats, "n_blocks": new.n_blocks, "n_resblocks": new.n_resblocks}
    return TrainOptions(
        init=str(init), stages=stages, scale=new.scale, student=StageOptions(), **shape
    )


@pytest.mark.parametrize("kind", [KDSR, KDSRTeacher])
def test_init_grows_what_is_smaller(kind: type[KDSR | KDSRTeacher], tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = kind(OLD)
    save_checkpoint(small, tmp_path / "small.safetensors")
    said: list[str] = []
    stage = build_stage(
        "teacher", options(tmp_path / "small.safetensors", NEW, ("teacher",)), said.append
    )
    assert "small.safetensors grows to KDSRConfig(scale=4, n_feats=12" in said[0]
    pair = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 32, 32)
    wanted = small(*pair)[0] if isinstance(small, KDSRTeacher) else small(pair[0])[0]
    torch.testing.assert_close(stage.model(*pair)[0], wanted, rtol=0, atol=2e-6)


def test_the_gan_stage_grows_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small, lq = KDSR(OLD), torch.rand(1, 3, 8, 8)
    save_checkpoint(small, tmp_path / "small.safetensors")
    chosen = TrainOptions(
        init=str(tmp_path / "small.safetensors"), stages=("gan",), n_feats=12, n_blocks=5,
        n_resblocks=3, gan=StageOptions(gan_weight=0.1), discriminator_feats=4,
    )  # fmt: skip
    model = build_stage("gan", chosen, lambda _: None).model
    assert isinstance(model, KDSR)
    torch.testing.assert_close(model(lq)[0], small(lq)[0], rtol=0, atol=2e-6)


def test_init_refuses_what_is_larger(tmp_path: Path) -> None:
    save_checkpoint(KDSR(NEW), tmp_path / "large.safetensors")
    with pytest.raises(TrainingError, match="the same or a smaller size"):
        build_stage("control", options(tmp_path / "large.safetensors", OLD, ("control",)), print)
