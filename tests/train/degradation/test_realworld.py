import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from train.degradation.blur import blur
from train.degradation.draws import hashed_normals, hashed_uniforms
from train.degradation.mixed_kernels import sinc_kernels
from train.degradation.noise import add_gaussian_noise, add_poisson_noise
from train.degradation.ragged import MODES, extend, resize_ragged
from train.degradation.realworld import RealWorldDegradation, RealWorldOptions
from train.degradation.realworld_draws import OrderOptions, draw_round

CPU = torch.device("cpu")


def interpolate(image: Tensor, size: tuple[int, int], mode: int) -> Tensor:
    options = {} if MODES[mode] == "area" else {"align_corners": False}
    return F.interpolate(image, size, mode=MODES[mode], **options)


def ragged_batch() -> tuple[Tensor, tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(9, 3, 40, 33, generator=rng)
    heights = torch.randint(5, 41, (9,), generator=rng)
    widths = torch.randint(5, 34, (9,), generator=rng)
    return images, (heights, widths)


def test_ragged_resizing_equals_interpolate_for_every_image_and_mode() -> None:
    images, source = ragged_batch()
    rng = torch.Generator().manual_seed(1)
    target = (torch.randint(1, 61, (9,), generator=rng), torch.randint(1, 51, (9,), generator=rng))
    mode = torch.arange(9) % 3
    made = resize_ragged(images, source, target, mode, (60, 50))
    for i in range(9):
        (h, w), (th, tw) = ((int(a[i]), int(b[i])) for a, b in (source, target))
        expected = interpolate(images[i : i + 1, :, :h, :w], (th, tw), int(mode[i]))[0]
        torch.testing.assert_close(made[i, :, :th, :tw], expected, atol=1e-5, rtol=0)
        assert not made[i, :, th:].any()
        assert not made[i, :, :, tw:].any()


@pytest.mark.parametrize("mirror", [True, False])
def test_extending_a_ragged_batch_equals_padding_each_image(mirror: bool) -> None:
    images, sizes = ragged_batch()
    made = extend(images, sizes, 4, (48, 41), mirror=mirror)
    for i in range(9):
        h, w = int(sizes[0][i]), int(sizes[1][i])
        mode = "reflect" if mirror else "replicate"
        expected = F.pad(images[i : i + 1, :, :h, :w], (4, 4, 4, 4), mode=mode)[0]
        assert torch.equal(made[i, :, : h + 8, : w + 8], expected)


def test_mirroring_reaches_beyond_images_smaller_than_the_kernel() -> None:
    image = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    sizes = (torch.tensor([1]), torch.tensor([3]))
    row = extend(image, sizes, 5, (1, 13), mirror=True)[0, 0, 0]
    assert row.tolist() == [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]


def test_hashed_numbers_do_not_depend_on_the_size_of_the_field_or_the_batch() -> None:
    seeds = [3, 2**61 + 5, 1 << 31]
    whole = hashed_uniforms(seeds, (3, 40, 50), CPU)
    assert torch.equal(hashed_uniforms(seeds[1:], (2, 9, 17), CPU), whole[1:, :2, :9, :17])
    assert whole.min() > 0
    assert whole.max() < 1


def test_hashed_normals_are_normal_and_uncorrelated() -> None:
    z = hashed_normals(list(range(4)), (3, 128, 128), CPU)
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs((z**4).mean() - 3) < 0.1
    field = z[0, 0]
    others = [field.roll(1, 0), field.roll(1, 1), field.roll(64, 1), z[0, 1], z[1, 0], z[3, 0]]
    matrix = torch.corrcoef(torch.stack([field, *others]).flatten(1))
    assert (matrix - torch.eye(7)).abs().max() < 0.04


@pytest.mark.parametrize("level", [0, 1, 20, 128, 255])
def test_poisson_noise_is_poisson_distributed(level: int) -> None:
    # Sixteen grey levels beside the one that is looked at make it counted in 32 photons.
    image = torch.full((1, 3, 200, 200), level / 255)
    image[..., :16, 0] = torch.arange(100, 116) / 255
    noisy = add_poisson_noise(image, torch.ones(1), torch.tensor([False]), [9])
    counts = noisy[..., 20:, :] * 32
    torch.testing.assert_close(counts, counts.round(), atol=1e-4, rtol=0)
    mean = level / 255 * 32
    assert abs(counts.mean() - mean) < 0.03
    assert abs(counts.var() - mean) < max(0.01, 0.04 * mean)
    empty = (counts.round() == 0).float().mean()
    assert abs(empty - math.exp(-mean)) < 0.01


def test_grey_noise_is_the_same_in_all_colours_and_none_leaves_an_image_alone() -> None:
    images = torch.rand(3, 3, 24, 24)
    strength, grey = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([True, False, True])
    for noisy in (
        add_poisson_noise(images, strength, grey, [1, 2, 3]),
        add_gaussian_noise(images, 10 * strength, grey, [1, 2, 3], hashed=True),
    ):
        noise = noisy - images
        torch.testing.assert_close(noise[0, 0], noise[0, 2], atol=1e-6, rtol=0)
        assert (noise[1, 0] - noise[1, 2]).abs().max() > 0.01
        assert torch.equal(noisy[2], images[2])


@pytest.mark.parametrize("scale", [4, 1])
def test_the_second_order_is_blur_resize_twice_then_resize_and_sinc(scale: int) -> None:
    pipeline = RealWorldDegradation(RealWorldOptions(), scale)
    drawn = pipeline.sample(0, 0, range(4))
    silent = {"gaussian": torch.zeros(4), "poisson": torch.zeros(4), "quality": torch.zeros(4)}
    p = dataclasses.replace(
        drawn,
        first=dataclasses.replace(drawn.first, factor=torch.tensor([0.3, 0.8, 1.0, 1.4]), **silent),
        second=dataclasses.replace(drawn.second, **silent),
    )
    gt = torch.rand(4, 3, 96, 80)
    made = pipeline.apply(gt, p)
    for i in range(4):
        one = slice(i, i + 1)
        image = blur(gt[one], p.first.kernels[one])
        factor = float(p.first.factor[i])
        size = (int(96 * factor + 1e-6), int(80 * factor + 1e-6))
        image = interpolate(image, size, int(p.first.mode[i])).clamp(0, 1)
        image = blur(image, p.second.kernels[one])
        factor = float(p.second.factor[i] / scale)
        size = (int(96 * factor), int(80 * factor))
        image = interpolate(image, size, int(p.second.mode[i])).clamp(0, 1)
        target = (96 // scale, 80 // scale)
        image = blur(interpolate(image, target, int(p.final_mode[i])), p.final[one])
        expected = (image * 255).round().clamp(0, 255) / 255
        assert (made[one] - expected).abs().max() < 1.01 / 255
        assert ((made[one] - expected).abs() > 1e-3).float().mean() < 5e-3


def test_the_official_jpeg_table_is_an_option() -> None:
    gt = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    right, odd = (
        RealWorldDegradation(RealWorldOptions(transposed_luma=flag), 4) for flag in (False, True)
    )
    drawn = right.sample(0, 0, range(2))
    assert not torch.equal(right.apply(gt, drawn), odd.apply(gt, drawn))


def test_published_parameters_are_the_default_and_are_drawn_in_their_shares() -> None:
    drawn = RealWorldDegradation(RealWorldOptions(), 4).sample(0, 0, range(3000))
    for order, up, down, most in ((drawn.first, 0.2, 0.7, 1.5), (drawn.second, 0.3, 0.4, 1.2)):
        assert (order.factor > 1).float().mean() == pytest.approx(up, abs=0.03)
        assert (order.factor < 1).float().mean() == pytest.approx(down, abs=0.03)
        assert order.factor.max() <= most
        assert (order.gaussian > 0).float().mean() == pytest.approx(0.5, abs=0.03)
        assert torch.equal(order.gaussian > 0, order.poisson == 0)
        assert order.grey.float().mean() == pytest.approx(0.4, abs=0.03)
        assert order.quality.min() >= 30
        assert order.quality.max() <= 95
    assert drawn.first.factor.min() >= 0.15
    assert drawn.second.factor.min() >= 0.3
    assert drawn.first.gaussian.max() <= 30
    assert drawn.second.gaussian.max() <= 25
    sharp = drawn.second.kernels[:, 10, 10] == 1
    assert sharp.float().mean() == pytest.approx(0.2, abs=0.04)
    assert (drawn.final[:, 10, 10] == 1).float().mean() == pytest.approx(0.2, abs=0.04)
    assert drawn.jpeg_first.float().mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("size", "lowest"), [(7, 3), (11, 3), (13, 5), (21, 5)])
def test_sinc_filters_cut_off_from_a_published_frequency_on(size: int, lowest: int) -> None:
    u = torch.zeros(17, 2)
    u[5], u[8, 1] = (size - 7) / 16, 0.5
    drawn = draw_round(OrderOptions(sinc_probability=1.0), u, [0, 1])
    low = math.pi / lowest
    expected = sinc_kernels(torch.tensor([low, (low + math.pi) / 2]), torch.full((2,), size))
    torch.testing.assert_close(drawn.kernels, expected)


def test_a_draw_that_rounds_up_to_one_is_the_last_shape() -> None:
    u = torch.rand(17, 2, generator=torch.Generator().manual_seed(0))
    u[:, 1] = u[:, 0]
    u[0] = torch.tensor([0.99, 1.0])
    one, other = draw_round(OrderOptions(sinc_probability=0.0), u, [0, 1]).kernels
    assert torch.equal(one, other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_makes_the_images_of_a_cpu() -> None:
    pipeline = RealWorldDegradation(RealWorldOptions(), 4)
    drawn = pipeline.sample(0, 3, range(8))
    gt = F.interpolate(torch.rand(8, 3, 16, 16), 128, mode="bicubic").clamp(0, 1)
    cpu, gpu = pipeline.apply(gt, drawn), pipeline.apply(gt.cuda(), drawn).cpu()
    # Rounding before JPEG may fall the other way and move a block by a level.
    assert (cpu - gpu).abs().mean() < 1 / 255
