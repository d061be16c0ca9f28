"""Inputs of the adversarial stage's networks."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from kdsr import KDSR, KDSRConfig
from train.loop.learner import Learner
from train.losses.haarpsi import haarpsi_loss
from train.losses.terms import colour_loss, shifted
from train.losses.unsharp import unsharp
from train.recipes.options import TrainOptions
from train.recipes.stages import StageOptions
from train.stages.distillation import Batch
from train.stages.gan import GANStage


class _Seen(nn.Module):
    """Keeps what it is called with; stands for the perceptual loss or the discriminator."""

    def __init__(self, answer: Callable[..., Tensor]) -> None:
        super().__init__()
        self.answer, self.calls = answer, []

    def forward(self, *images: Tensor) -> Tensor:
        self.calls.append(images)
        return self.answer(*images)


def adversarial(options: StageOptions, judge: nn.Module, **distances: nn.Module) -> GANStage:
    model = KDSR(KDSRConfig(4, 8, 1, 1))
    return GANStage("gan", model, options, discriminator=judge, distances=distances)


def batch_of(count: int = 2, step: int = 0) -> Batch:
    return Batch(torch.rand(count, 3, 8, 8), torch.rand(count, 3, 32, 32), step)


def _never(*_: Tensor) -> Tensor:
    raise AssertionError("it has no weight")


@pytest.mark.parametrize(
    ("shift", "sharpen", "shrink"), [(0, 0.0, 1), (8, 0.0, 1), (8, 1.0, 1), (8, 1.0, 2)]
)
def test_perceptual_network_and_discriminator_see_images_shifted_and_shrunk_alike(
    shift: int, sharpen: float, shrink: int
) -> None:
    judge = _Seen(lambda images: images.mean(1, keepdim=True))
    perceptual = _Seen(lambda sr, gt: (sr - gt).abs().mean())
    options = StageOptions(
        perceptual_weight=1.0, gan_weight=0.1, shift=shift, sharpen=sharpen, shrink=shrink
    )
    stage = adversarial(options, judge, perceptual=perceptual)
    batch = batch_of(step=5)
    losses = stage.losses("model", {"model": stage.model}, batch)
    stage.losses("discriminator", {"discriminator": judge}, batch)
    assert batch.sr is not None
    wanted = unsharp(batch.gt, sharpen, 8.0) if sharpen else batch.gt
    moved = [shifted(images, 5, shift) for images in (batch.sr, batch.gt, wanted)]
    sr, gt, sharp = (F.avg_pool2d(images, shrink) if shrink > 1 else images for images in moved)
    torch.testing.assert_close(perceptual.calls[0], (sr, sharp), rtol=0, atol=0)
    torch.testing.assert_close(judge.calls[0][0], sr)
    torch.testing.assert_close(judge.calls[1][0], torch.cat((gt, sr)))
    assert losses["perceptual"].requires_grad
    assert torch.equal(losses["l1"], (batch.sr - wanted).abs().mean())


@pytest.mark.parametrize("gan_real", ["gt", "teacher"])
@pytest.mark.parametrize("taught", [False, True])
def test_the_discriminator_takes_the_gt_or_the_larger_models_pictures_for_real(
    gan_real: Literal["gt", "teacher"], taught: bool
) -> None:
    judge = _Seen(lambda images: images.mean(1, keepdim=True))
    stage = adversarial(StageOptions(gan_weight=0.1, gan_real=gan_real), judge)
    batch = batch_of()
    batch.sr = torch.rand_like(batch.gt)
    batch.taught = torch.rand_like(batch.gt) if taught else None
    stage.losses("discriminator", {"discriminator": judge}, batch)
    real = batch.taught if gan_real == "teacher" and batch.taught is not None else batch.gt
    assert torch.equal(judge.calls[0][0], torch.cat((real, batch.sr)))


def test_a_stage_on_distances_alone_has_no_discriminator() -> None:
    far = _Seen(lambda sr, gt: (sr - gt).square().mean((1, 2, 3)))
    options = StageOptions(lpips_weight=2.0, dists_weight=0.0)
    stage = adversarial(options, nn.Identity(), lpips=far, dists=_Seen(_never))
    assert list(stage.parts()) == ["model"]
    batch = batch_of()
    losses = stage.losses("model", {"model": stage.model}, batch)
    assert list(losses) == ["l1", "lpips"]
    assert batch.sr is not None
    torch.testing.assert_close(losses["lpips"], 2 * (batch.sr - batch.gt).square().mean())


@pytest.mark.parametrize(("step", "share"), [(0, 1.0), (30, 0.5), (60, 0.0), (79, 0.0)])
def test_the_target_goes_from_the_larger_model_to_the_original_which_alone_is_real(
    step: int, share: float
) -> None:
    judge = _Seen(lambda images: images.mean(1, keepdim=True))
    far = _Seen(lambda sr, gt: (sr - gt).abs().mean())
    options = StageOptions(
        steps=80, perceptual_weight=1.0, gan_weight=0.1, haarpsi_weight=0.2, colour_weight=1.0
    )
    stage = adversarial(options, judge, perceptual=far)
    batch, taught = batch_of(step=step), torch.rand(2, 3, 32, 32)
    batch.taught, gt = taught, batch.gt
    losses = stage.losses("model", {"model": stage.model}, batch)
    stage.losses("discriminator", {"discriminator": judge}, batch)
    assert batch.sr is not None
    target = gt.lerp(taught, share)
    torch.testing.assert_close(far.calls[0][1], target)
    torch.testing.assert_close(losses["l1"], (batch.sr - target).abs().mean())
    moved = (shifted(images, step, 2) for images in (batch.sr, target))
    torch.testing.assert_close(losses["haarpsi"], 0.2 * haarpsi_loss(*moved))
    torch.testing.assert_close(losses["colour"], colour_loss(batch.sr, gt, 4))
    torch.testing.assert_close(judge.calls[1][0], torch.cat((gt, batch.sr)))


def test_a_share_of_the_larger_model_may_stay() -> None:
    always = StageOptions(steps=10, teacher_end=1.0)
    late = StageOptions(steps=10, teacher_start=0.4, teacher_end=0.8, teacher_until=0.0)
    assert [always.taught_share(step) for step in (0, 5, 9)] == [1.0] * 3
    assert late.taught_share(0) == 0.8
    assert "gan.teacher_until must be 0 to 1, got 2" in StageOptions(teacher_until=2).problems(
        "gan"
    )


@pytest.mark.parametrize(
    ("adaptive", "sure", "rests"), [(0.0, 9.0, False), (1.5, 9.0, True), (1.5, 0.3, False)]
)
def test_the_discriminator_rests_where_it_is_far_ahead(
    adaptive: float, sure: float, rests: bool
) -> None:
    """`sure` is how far below 0 its verdict on what the student makes lies."""
    judge = nn.Conv2d(3, 1, 1)
    nn.init.zeros_(judge.weight)
    with torch.no_grad():
        judge.bias.fill_(-sure)  # pyright: ignore[reportOptionalMemberAccess]
    options = StageOptions(gan_weight=0.1, adaptive_d=adaptive, warmup=0)
    stage = adversarial(options, judge)
    learner = Learner(stage, TrainOptions(device="cpu"), Accelerator(cpu=True))
    before = [p.clone() for p in judge.parameters()], [p.clone() for p in stage.model.parameters()]
    batch = batch_of()
    losses, _ = learner.learn(0, [batch])
    assert ("real" in losses) is not rests
    same = [torch.equal(a, b) for a, b in zip(before[0], judge.parameters(), strict=True)]
    assert all(same) is rests
    moved = zip(before[1], stage.model.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in moved)


def test_perceptual_networks_may_look_at_a_share_of_the_samples() -> None:
    far = _Seen(lambda sr, gt: (sr - gt).abs().mean((1, 2, 3)))
    judge = _Seen(lambda images: images.mean(1, keepdim=True))
    options = StageOptions(perceptual_weight=2.0, gan_weight=0.1, perceptual_share=0.25)
    stage = adversarial(options, judge, perceptual=far)
    batch = batch_of(6)
    losses = stage.losses("model", {"model": stage.model}, batch)
    assert batch.sr is not None
    assert [len(images) for images in far.calls[0]] == [2, 2]
    expected = 2 * (batch.sr - batch.gt)[:2].abs().mean()
    torch.testing.assert_close(losses["perceptual"], expected)
    assert len(judge.calls[0][0]) == 6
