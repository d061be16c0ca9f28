from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from kdsr.errors import CheckpointError
from tests.support.places import GOLDEN
from tests.support.vgg import plain_vgg, vgg_state
from train.losses.discriminators import UNetDiscriminator, UnshuffledDiscriminator
from train.losses.feature_networks import SQUEEZENET, VGG19
from train.losses.perceptual import PerceptualLoss, load_perceptual
from train.losses.terms import (
    colour_loss,
    kd_l1_loss,
    kd_loss,
    l1_loss,
    shifted,
    vanilla_gan_loss,
)


def test_the_distillation_loss_equals_the_official_one() -> None:
    golden = load_file(GOLDEN / "kd_loss.safetensors")
    loss = kd_loss(golden["student"], golden["teacher"])
    torch.testing.assert_close(loss, golden["loss"][0], rtol=1e-6, atol=0)


def test_the_distillation_loss_is_zero_for_equal_vectors_up_to_an_offset() -> None:
    vectors = torch.randn(4, 16)
    assert kd_loss(vectors, vectors).abs() < 1e-6
    assert kd_loss(vectors + 3, vectors).abs() < 1e-5
    assert kd_loss(vectors.flip(1), vectors) > 1


def test_the_distillation_loss_gives_the_teacher_no_gradient() -> None:
    student, teacher = (torch.randn(2, 8, requires_grad=True) for _ in range(2))
    kd_loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0


def test_the_distillation_loss_is_computed_in_float32() -> None:
    student, teacher = torch.randn(2, 8), torch.randn(2, 8)
    half = kd_loss(student.bfloat16(), teacher.bfloat16())
    assert half.dtype == torch.float32
    assert half == kd_loss(student.bfloat16().float(), teacher.bfloat16().float())


def test_the_absolute_distillation_loss_minds_an_offset_and_is_a_part_of_the_teacher() -> None:
    student = torch.randn(4, 16, requires_grad=True)
    teacher = torch.full((4, 16), -2.0, requires_grad=True)
    assert kd_l1_loss(student, student) == 0
    torch.testing.assert_close(kd_l1_loss(teacher + 0.5, teacher).detach(), torch.tensor(0.25))
    assert kd_l1_loss(student.bfloat16(), teacher).dtype == torch.float32
    kd_l1_loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0


def test_the_l1_loss_is_the_mean_absolute_error() -> None:
    assert l1_loss(torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.25)) == 0.25


def test_the_colour_loss_sees_a_shift_of_the_mean_and_a_grid_but_no_texture() -> None:
    gt = torch.full((2, 3, 64, 96), 0.5)
    texture = gt + 0.2 * torch.tensor([1.0, -1.0]).repeat_interleave(4).repeat(12)
    assert colour_loss(texture, gt, scale=4) < 1e-6
    tinted = gt + torch.tensor([0.01, 0.0, -0.02]).view(3, 1, 1)
    torch.testing.assert_close(colour_loss(tinted, gt, scale=4), torch.tensor(0.01))
    grid = gt.clone()
    grid[..., ::4] += 0.03
    grid[..., 1::4] -= 0.03
    torch.testing.assert_close(colour_loss(grid, gt, scale=4), torch.tensor(0.015))


def test_a_network_with_a_stride_pulls_at_a_grid_unless_what_it_sees_is_shifted() -> None:
    kernel = torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(0))

    def pull(most: int) -> Tensor:
        """Mean gradient at each of the 4 x 4 places, of a flat image over 16 steps."""
        image = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
        for step in range(16):
            F.conv2d(shifted(image, step, most), kernel, stride=4).sum().backward()
        assert image.grad is not None
        return F.pixel_unshuffle(image.grad, 4).mean((2, 3)).view(3, 16)

    assert pull(0).std(1).min() > 0.1
    assert pull(4).std(1).max() < 1e-5


def test_every_shift_comes_once() -> None:
    image = torch.arange(8 * 8).view(1, 1, 8, 8)
    assert len({int(shifted(image, step, 8)[0, 0, 0, 0]) for step in range(64)}) == 64
    assert shifted(image, 3, 0) is image


def test_the_adversarial_loss_is_low_for_the_right_verdict() -> None:
    sure = torch.full((2, 1, 4, 4), 8.0)
    assert vanilla_gan_loss(sure, real=True) < 1e-3
    assert vanilla_gan_loss(sure, real=False) > 7
    expected = -F.logsigmoid(torch.tensor(0.7))
    torch.testing.assert_close(vanilla_gan_loss(torch.full((1, 1, 2, 2), 0.7), real=True), expected)


def test_the_discriminator_has_the_published_size_and_judges_every_pixel() -> None:
    parameters = sum(p.numel() for p in UNetDiscriminator(64).parameters())
    assert parameters == 4_376_897
    assert UNetDiscriminator(4)(torch.rand(2, 3, 16, 24)).shape == (2, 1, 16, 24)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_unshuffled_discriminator_judges_every_pixel_and_sees_all_of_them(scale: int) -> None:
    torch.manual_seed(0)
    judge = UnshuffledDiscriminator(scale, 8).eval()
    images = torch.rand(2, 3, 8 * scale, 12 * scale, requires_grad=True)
    verdicts = judge(images)
    assert verdicts.shape == (2, 1, 8 * scale, 12 * scale)
    verdicts.sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).all()
    with pytest.raises(ValueError, match="multiple of 4"):
        judge(torch.rand(1, 3, 8 * scale, 6 * scale))


def test_the_unshuffled_discriminator_does_a_twentieth_of_the_published_ones_work() -> None:
    images = torch.rand(1, 3, 64, 64)
    work = {}
    for judge in (UNetDiscriminator(64), UnshuffledDiscriminator(4, 64)):
        counter = FlopCounterMode(display=False)
        with counter:
            judge(images)
        work[type(judge)] = counter.get_total_flops()
    assert work[UnshuffledDiscriminator] < work[UNetDiscriminator] / 20


def test_the_discriminator_convolutions_have_unit_spectral_norm() -> None:
    torch.manual_seed(0)
    network = UNetDiscriminator(4).train()
    for _ in range(30):  # each step of the power iteration comes closer
        network(torch.rand(1, 3, 8, 8))
    for convolution in (*network.down, *network.up, *network.last):
        weight = convolution.weight
        assert isinstance(weight, Tensor)
        largest = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
        assert abs(largest - 1) < 0.02


def test_the_discriminator_refuses_sides_that_cannot_be_halved_three_times() -> None:
    with pytest.raises(ValueError, match="multiples of 8 px, got 12x16"):
        UNetDiscriminator(4)(torch.rand(1, 3, 16, 12))


@pytest.mark.parametrize(
    ("network", "published"),
    [
        ("vgg19", {2: 0.1, 7: 0.1, 16: 1.0, 25: 1.0, 34: 1.0}),
        ("vgg16", {2: 0.1, 7: 0.1, 14: 1.0, 21: 1.0, 28: 1.0}),
    ],
)
def test_the_perceptual_loss_compares_the_published_layers_before_their_relu(
    tmp_path: Path, network: str, published: dict[int, float]
) -> None:
    state = vgg_state(network)
    torch.save(state, tmp_path / "vgg.pth")
    save_file(state, tmp_path / "vgg.safetensors")
    sr, gt = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    a, b, expected = (sr - mean) / std, (gt - mean) / std, torch.zeros(())
    for index, layer in enumerate(plain_vgg(state)):
        a, b = layer(a), layer(b)
        expected += published.get(index, 0) * (a - b).abs().mean()
    for name in ("vgg.pth", "vgg.safetensors"):
        loss = load_perceptual(tmp_path / name)
        assert loss.network == network.upper()
        torch.testing.assert_close(loss(sr, gt), expected, rtol=1e-4, atol=0)


def test_the_perceptual_loss_reaches_the_image_but_not_its_own_weights() -> None:
    loss = PerceptualLoss(VGG19, vgg_state())
    sr = torch.rand(1, 3, 32, 32, requires_grad=True)
    loss(sr, torch.rand(1, 3, 32, 32)).backward()
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in loss.parameters())


def squeezenet_arrays() -> dict[str, np.ndarray]:
    """Random weights under Caffe's names."""
    rng = np.random.default_rng(0)
    shapes = {"conv1": (64, 3, 3)}
    widths, n_in = (16, 16, 32, 32, 48, 48, 64, 64), 64
    for i, width in enumerate(widths, start=2):
        shapes[f"fire{i}/squeeze1x1"] = (width, n_in, 1)
        shapes[f"fire{i}/expand1x1"] = (4 * width, width, 1)
        shapes[f"fire{i}/expand3x3"] = (4 * width, width, 3)
        n_in = 8 * width
    arrays = {}
    for name, (n_out, n, k) in shapes.items():
        gain = (2 / (n * k * k)) ** 0.5
        arrays[f"{name}.weight"] = (rng.normal(size=(n_out, n, k, k)) * gain).astype(np.float32)
        arrays[f"{name}.bias"] = np.zeros(n_out, np.float32)
    return arrays


def test_squeezenet_stands_in_for_vgg19_and_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "squeezenet.npz", allow_pickle=False, **squeezenet_arrays())
    loss = load_perceptual(tmp_path / "squeezenet.npz")
    assert loss.network == "SqueezeNet v1.1"
    gt = torch.rand(1, 3, 64, 64)
    features = loss.features(gt)
    shapes = [tuple(features[name].shape[1:]) for name in loss.weights]
    assert shapes == [(64, 31, 31), (128, 15, 15), (256, 7, 7), (384, 3, 3), (512, 3, 3)]
    assert loss(gt, gt) == 0
    assert loss(gt * 0.9, gt) > 0


def test_squeezenet_sees_blue_green_red_around_its_mean() -> None:
    loss = PerceptualLoss(
        SQUEEZENET, {k: torch.from_numpy(v) for k, v in squeezenet_arrays().items()}
    )
    mean_colour = torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1) / 255
    features = loss.features(mean_colour.expand(1, 3, 32, 32))
    assert features["conv1"].abs().max() < 1e-4


def test_wrong_perceptual_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_perceptual(tmp_path / "vgg19.pth")
    state = vgg_state()
    state["features.16.weight"] = torch.zeros(512, 256, 3, 3)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"conv3_4.*batch norm"):
        load_perceptual(tmp_path / "other.pth")
    (tmp_path / "damaged.pth").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_perceptual(tmp_path / "damaged.pth")
    np.savez(tmp_path / "other.npz", weight=np.zeros(1))
    with pytest.raises(CheckpointError, match="missing"):
        load_perceptual(tmp_path / "other.npz")
