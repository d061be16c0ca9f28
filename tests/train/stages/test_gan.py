"""What the adversarial stage shows to whom."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr import KDSRConfig
from train.losses.terms import shifted
from train.losses.unsharp import unsharp
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
    stage = GANStage(
        KDSRConfig(4, 8, 1, 1), options, composed=True, teacher=None,
        discriminator=judge, distances={"perceptual": perceptual},
    )  # fmt: skip
    batch = Batch(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32), step=5)
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


def test_a_stage_on_distances_alone_has_no_discriminator() -> None:
    far = _Seen(lambda sr, gt: (sr - gt).square().mean((1, 2, 3)))
    options = StageOptions(lpips_weight=2.0, dists_weight=0.0)
    stage = GANStage(
        KDSRConfig(4, 8, 1, 1), options, composed=True, teacher=None,
        discriminator=nn.Identity(), distances={"lpips": far, "dists": _Seen(lambda *_: 1 / 0)},
    )  # fmt: skip
    assert list(stage.parts()) == ["model"]
    batch = Batch(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32), step=0)
    losses = stage.losses("model", {"model": stage.model}, batch)
    assert list(losses) == ["l1", "lpips"]
    assert batch.sr is not None
    torch.testing.assert_close(losses["lpips"], 2 * (batch.sr - batch.gt).square().mean())
