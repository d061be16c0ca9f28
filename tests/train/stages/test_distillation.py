"""Losses of the student beside L1 and distillation."""

import pytest
import torch

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from train.losses.contrast import contrast_loss
from train.losses.grid import grid_loss
from train.losses.haarpsi import haarpsi_loss
from train.losses.terms import colour_loss, kd_l1_loss, kd_loss, l1_loss, noisier, shifted
from train.losses.unsharp import unsharp
from train.recipes.options import TrainOptions
from train.recipes.stages import StageOptions
from train.stages.distillation import Batch, StudentStage

CONFIG = KDSRConfig(4, 8, 1, 1)


def losses(step: int, **options: float) -> tuple[dict[str, torch.Tensor], torch.Tensor, Batch]:
    """Losses of an untrained control, with its SR image and the batch."""
    torch.manual_seed(0)
    stage = StudentStage("student", KDSR(CONFIG), StageOptions(**options))  # pyright: ignore[reportArgumentType]
    batch = Batch(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 64, 64), step)
    found = stage.losses("model", {"model": stage.model}, batch)
    return found, stage.model(batch.lq, compose_tail=True)[0], batch


def test_the_student_takes_a_colour_term_where_that_has_a_weight() -> None:
    found, sr, batch = losses(0, colour_weight=3.0)
    assert found.keys() == {"l1", "colour"}
    torch.testing.assert_close(found["colour"], 3 * colour_loss(sr, batch.gt, 4))
    assert found["colour"].requires_grad
    assert losses(0)[0].keys() == {"l1"}


def test_consistency_is_how_far_noise_moves_the_first_quarter_of_the_results() -> None:
    found, sr, batch = losses(7, consistency_weight=2.0)
    torch.manual_seed(0)
    model = KDSR(CONFIG)
    noisy = noisier(batch.lq[:1], 7)
    assert 0 < (noisy - batch.lq[:1]).abs().mean() < 10 / 255
    moved = model(noisy, compose_tail=True)[0]
    torch.testing.assert_close(found["consistency"], 2 * l1_loss(moved, sr[:1].detach()))


def test_consistency_leaves_the_result_without_noise_where_it_is() -> None:
    torch.manual_seed(0)
    stage = StudentStage("student", KDSR(CONFIG), StageOptions(consistency_weight=1.0))
    seen: list[torch.Tensor] = []

    def model(
        lq: torch.Tensor, *, compose_tail: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sr, idr, full = stage.model(lq, compose_tail=compose_tail)
        sr.retain_grad()
        seen.append(sr)
        return sr, idr, full

    batch = Batch(torch.rand(8, 3, 16, 16), torch.rand(8, 3, 64, 64), 3)
    stage.losses("model", {"model": model}, batch)["consistency"].backward()
    without, noisy = seen
    assert without.grad is None
    assert noisy.grad is not None
    assert len(noisy) == 2


@pytest.mark.parametrize(("step", "counts"), [(4, False), (5, True)])
def test_while_the_estimator_is_trained_alone_neither_l1_nor_colour_counts(
    step: int, counts: bool
) -> None:
    found, _, _ = losses(step, colour_weight=3.0, kd_only=5)
    assert [bool(loss > 0) for loss in found.values()] == [counts, counts]


def test_the_control_is_the_student_without_distillation_colour_and_all() -> None:
    options = TrainOptions(student=StageOptions(kd_weight=0.05, colour_weight=2.0))
    control = options.for_stage("control")
    assert (control.colour_weight, control.kd_weight) == (2.0, 0.0)


def test_the_student_nears_its_teacher_by_both_distances_that_have_a_weight() -> None:
    torch.manual_seed(0)
    for kl, l1 in ((0.5, 0.0), (0.5, 2.0), (0.0, 2.0)):
        options = StageOptions(kd_weight=kl, kd_l1_weight=l1)
        stage = StudentStage("student", KDSR(CONFIG), options, teacher=KDSRTeacher(CONFIG))
        batch = Batch(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 64, 64), 0)
        batch.target = stage.teacher_idr_full(batch.lq, batch.gt)
        found = stage.losses("model", {"model": stage.model}, batch)
        own = stage.idr_full(stage.model, batch.lq, batch.gt)
        torch.testing.assert_close(found["kd"], kl * kd_loss(own, batch.target))
        assert ("kd_l1" in found) == (l1 > 0)
        if l1:
            torch.testing.assert_close(found["kd_l1"], l1 * kd_l1_loss(own, batch.target))


def test_a_sharper_target_is_for_l1_alone() -> None:
    weights = {
        "colour_weight": 3.0,
        "haarpsi_weight": 0.1,
        "contrast_weight": 0.3,
        "grid_weight": 50.0,
    }
    found, sr, batch = losses(0, **weights, sharpen=1.5, sharpen_radius=2.0)
    assert torch.equal(shifted(sr, 0, 2), sr)
    wanted = unsharp(batch.gt, 1.5, 2.0)
    assert (wanted - batch.gt).abs().mean() > 0.05
    torch.testing.assert_close(found["l1"], (sr - wanted).abs().mean())
    torch.testing.assert_close(found["colour"], 3 * colour_loss(sr, batch.gt, 4))
    torch.testing.assert_close(found["haarpsi"], 0.1 * haarpsi_loss(sr, batch.gt))
    torch.testing.assert_close(found["contrast"], 0.3 * contrast_loss(sr, batch.gt))
    torch.testing.assert_close(found["grid"], 50 * grid_loss(sr, batch.gt, 4, step=batch.step))


def test_haarpsi_sees_images_shifted_by_a_pixel_from_step_to_step() -> None:
    found, sr, batch = losses(1, haarpsi_weight=1.0)
    ours, true = (shifted(images, 1, 2) for images in (sr, batch.gt))
    torch.testing.assert_close(found["haarpsi"], haarpsi_loss(ours, true))
    assert not torch.isclose(found["haarpsi"], haarpsi_loss(sr, batch.gt), rtol=1e-4)
