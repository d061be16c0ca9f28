import io
import math

import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from safetensors.torch import load_file
from torch import Tensor

from kdsr import ConfigError
from tests.conftest import ROOT
from tests.support.places import GOLDEN
from train.data.image_files import read_rgb
from train.degradation.blur import blur, blur_and_downscale
from train.degradation.classic import ClassicDegradation, ClassicOptions, ClassicParameters
from train.degradation.general import GeneralOptions
from train.degradation.jpeg import _scaled, _tables, jpeg, jpeg_by_pillow
from train.degradation.kernels import gaussian_kernels, gaussian_taps
from train.degradation.mixed_kernels import radial_kernels, sinc_kernels
from train.degradation.noise import add_gaussian_noise, add_poisson_noise
from train.degradation.pipelines import Degradation, DegradationOptions
from train.degradation.realworld import RealWorldOptions
from train.degradation.realworld_draws import OrderOptions
from train.degradation.resampling import Resampling
from train.degradation.resize import resize_bicubic
from train.measuring.protocols import fixed

EXPECTED = load_file(GOLDEN / "classic_degradation.safetensors")
HR = EXPECTED["hr"]


def one(value: float) -> Tensor:
    return torch.tensor([float(value)])


@pytest.fixture(scope="module")
def photos() -> Tensor:
    paths = sorted((ROOT / "samples" / "photos").glob("*.jpg"))[:4]
    crops = [torch.from_numpy(read_rgb(path)[:128, :128].copy()) for path in paths]
    return torch.stack(crops).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_downscaling_matches_the_official_code(scale: int) -> None:
    height, width = (n // scale * scale for n in HR.shape[2:])
    down = resize_bicubic(HR[:, :, :height, :width], (height // scale, width // scale))
    assert (down - EXPECTED[f"bicubic_down_x{scale}"]).abs().max() <= 1e-6


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_upscaling_matches_the_official_code(scale: int) -> None:
    small = HR[:, :, :24, :20]  # what the golden file upscaled
    up = resize_bicubic(small, (small.shape[2] * scale, small.shape[3] * scale))
    assert (up - EXPECTED[f"bicubic_up_x{scale}"]).abs().max() <= 1e-5


@pytest.mark.parametrize("name", [n for n in EXPECTED if n.startswith("kernel")])
def test_kernels_match_the_official_code(name: str) -> None:
    numbers = [float(n) for n in name.split("_")[2:]]
    long, short, degrees = (numbers * 2 + [0])[:3] if len(numbers) == 1 else numbers
    kernel = gaussian_kernels(one(long), one(short), one(math.radians(degrees)))
    assert (kernel - EXPECTED[name]).abs().max() <= 1e-6
    if long == short:
        taps = gaussian_taps(one(long))[0]
        assert (taps[:, None] * taps - EXPECTED[name][0]).abs().max() <= 1e-6


@pytest.mark.parametrize(
    ("name", "long", "short", "degrees"),
    [
        ("degraded_iso_1.8_x4", 1.8, 1.8, 0),
        ("degraded_iso_3.2_x4", 3.2, 3.2, 0),
        ("degraded_aniso_4.0_1.5_120_x4", 4.0, 1.5, 120),
    ],
)
def test_the_classic_pipeline_matches_the_official_code(
    name: str, long: float, short: float, degrees: float
) -> None:
    parameters = ClassicParameters(one(long), one(short), one(math.radians(degrees)), one(0), [0])
    lq = ClassicDegradation(ClassicOptions(), 4).apply(HR, parameters)
    difference = ((lq - EXPECTED[name]) * 255).round().abs()
    # A value on the edge between two grey levels may be rounded either way.
    assert difference.max() <= 1
    assert difference.sum() <= 1


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_folded_isotropic_path_equals_blur_then_downscale(photos: Tensor, scale: int) -> None:
    sigma = torch.tensor([0.2, 1.0, 2.5, 4.0])
    images = photos[:, :, : 120 // scale * scale, : 108 // scale * scale]
    kernels = gaussian_kernels(sigma, sigma, torch.zeros(4))
    size = (images.shape[2] // scale, images.shape[3] // scale)
    expected = resize_bicubic(blur(images, kernels), size)
    folded = blur_and_downscale(images, sigma, sigma, torch.zeros(4), scale)
    assert (folded - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("quality", [10, 35, 50, 75, 95])
def test_jpeg_is_close_to_libjpeg(photos: Tensor, quality: int) -> None:
    qualities = torch.full((4,), float(quality))
    ours, reference = jpeg(photos, qualities), jpeg_by_pillow(photos, qualities)
    error = (ours - reference).square().mean()
    damage = (photos - reference).square().mean()
    assert -10 * torch.log10(error) > 40
    assert error < damage / 5


def test_the_transposed_table_is_farther_from_libjpeg(photos: Tensor) -> None:
    qualities = torch.full((4,), 50.0)
    reference = jpeg_by_pillow(photos, qualities)
    wrong = jpeg(photos, qualities, transposed_luma=True)
    right = jpeg(photos, qualities)
    assert (wrong - reference).square().mean() > 4 * (right - reference).square().mean()


@pytest.mark.parametrize("quality", range(1, 101))
def test_every_entry_of_the_jpeg_tables_is_libjpegs(quality: int) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        assert isinstance(image, JpegImageFile)
        theirs = [torch.tensor(image.quantization[i]).reshape(8, 8) for i in (0, 1)]
    ours = [_scaled(table, torch.tensor([quality]))[0].int() for table in _tables(False)]
    assert torch.equal(ours[0], theirs[0].int())
    assert torch.equal(ours[1], theirs[1].int())


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16), (33, 50)])
def test_jpeg_takes_any_size_and_a_quality_for_each_sample(size: tuple[int, int]) -> None:
    images = torch.rand(3, 3, *size)
    result = jpeg(images, torch.tensor([0.0, 20.0, 90.0]))
    assert torch.equal(result[0], images[0])
    assert torch.equal((result[1:] * 255).round() / 255, result[1:])


def test_noise_has_the_strength_and_colour_that_was_asked_for() -> None:
    images = torch.full((3, 3, 200, 200), 0.5)
    sigma, grey = torch.tensor([10.0, 20.0, 0.0]), torch.tensor([False, True, False])
    noise = (add_gaussian_noise(images, sigma, grey, [1, 2, 3]) - images) * 255
    assert noise[0].std() == pytest.approx(10, rel=0.02)
    assert noise[1].std() == pytest.approx(20, rel=0.02)
    assert torch.equal(noise[1, 0], noise[1, 1])
    assert not torch.equal(noise[0, 0], noise[0, 1])
    assert not noise[2].any()


def test_poisson_noise_grows_with_brightness() -> None:
    ramp = torch.linspace(0, 1, 256).repeat(256, 1).expand(1, 3, -1, -1).contiguous()
    noisy = add_poisson_noise(ramp, one(1), torch.tensor([False]), [1])
    noise = noisy - (ramp * 255).round() / 255
    dark, bright = noise[..., 16:48].std(), noise[..., 208:240].std()
    assert bright / dark == pytest.approx(math.sqrt(224 / 32), rel=0.15)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_mixed_kernels_sum_to_one_within_their_size(kind: int) -> None:
    size = torch.tensor([7, 13, 21])
    kernels = radial_kernels(
        torch.full((3,), kind), size, torch.tensor([0.5, 2, 3]), torch.tensor([0.5, 1, 3]),
        torch.tensor([0.0, 1, 2]), torch.tensor([0.7, 1.5, 3]),
    )  # fmt: skip
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(3))
    assert not kernels[0, :7].any()
    assert (kernels[2] > 0).sum() > (kernels[0] > 0).sum()


def test_a_generalised_kernel_with_beta_one_is_the_gaussian() -> None:
    full = torch.tensor([21])
    numbers = (one(2.5), one(1.5), one(0.7), one(1))
    both = [radial_kernels(torch.tensor([kind]), full, *numbers) for kind in (0, 1)]
    torch.testing.assert_close(both[0], both[1])
    torch.testing.assert_close(both[0], gaussian_kernels(*numbers[:3]))


def test_sinc_kernels_ring_and_sum_to_one() -> None:
    kernels = sinc_kernels(torch.tensor([math.pi / 3, 2.0]), torch.tensor([21, 13]))
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(2))
    assert (kernels < 0).any()
    assert torch.isfinite(kernels).all()


KINDS = DegradationOptions.kinds()


def pipeline(kind: str, scale: int = 4) -> Degradation:
    classic = ClassicOptions(anisotropic=True, max_noise=25)
    return DegradationOptions(kind=kind, classic=classic).build(scale)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_depends_on_seed_step_and_number_alone(photos: Tensor, kind: str) -> None:
    degradation = pipeline(kind)
    photos = photos[:2, :, :96, :96]
    together = degradation.apply(photos, degradation.sample(3, 17, [0, 1]))
    for index in range(2):
        alone = degradation.sample(3, 17, [index])
        part = degradation.apply(photos[index : index + 1], alone)
        # To the grey level: sums may be taken in another order for another batch size.
        assert (part[0] - together[index]).abs().max() <= 1.01 / 255
        assert ((part[0] - together[index]).abs() > 0).double().mean() < 1e-3
    for seed, step in ((4, 17), (3, 18)):
        other = degradation.apply(photos, degradation.sample(seed, step, [0, 1]))
        assert not torch.equal(other, together)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_lq_images_are_scale_times_smaller_and_on_the_8_bit_grid(
    photos: Tensor, kind: str, scale: int
) -> None:
    degradation = DegradationOptions(kind=kind).build(scale)
    lq = degradation.apply(photos[:2, :, :96, :96], degradation.sample(0, 0, range(2)))
    assert lq.shape == (2, 3, 96 // scale, 96 // scale)
    assert torch.equal((lq * 255).round() / 255, lq)
    assert 0 <= lq.min() < lq.max() <= 1


@pytest.mark.parametrize(("scale", "widest"), [(2, 2.0), (3, 3.0), (4, 4.0)])
def test_classic_blur_is_drawn_from_the_whole_range_of_the_paper(scale: int, widest: float) -> None:
    options = ClassicOptions(anisotropic=True, max_noise=25)
    drawn = ClassicDegradation(options, scale).sample(0, 0, range(3000))
    for values, low, high in (
        (drawn.sigma_long, 0.2, widest),
        (drawn.sigma_short, 0.2, widest),
        (drawn.angle, 0, math.pi),
        (drawn.noise, 0, 25),
    ):
        assert low <= values.min() < values.max() <= high
        assert values.min() == pytest.approx(low, abs=0.005 * (high - low))
        assert values.max() == pytest.approx(high, abs=0.005 * (high - low))
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    round_ = ClassicDegradation(ClassicOptions(), scale).sample(0, 0, range(50))
    assert torch.equal(round_.sigma_long, round_.sigma_short)


def test_per_batch_draws_share_one_kernel_but_not_the_noise() -> None:
    options = ClassicOptions(anisotropic=True, max_noise=25, per_batch=True)
    drawn = ClassicDegradation(options, 4).sample(0, 0, range(5))
    assert len(set(drawn.sigma_long.tolist())) == 1
    assert len(set(drawn.noise.tolist())) == 1
    assert len(set(drawn.seeds)) == 5
    apart = ClassicDegradation(ClassicOptions(), 4).sample(0, 0, range(5))
    assert len(set(apart.sigma_long.tolist())) == 5


def test_drawn_shares_and_ranges_are_those_of_the_options() -> None:
    drawn = pipeline("general").sample(0, 0, range(4000))
    assert (drawn.sigma_long == 0).double().mean() == pytest.approx(0.12, abs=0.02)
    assert (drawn.noise > 0).double().mean() == pytest.approx(0.6, abs=0.03)
    assert (drawn.quality > 0).double().mean() == pytest.approx(0.55, abs=0.03)
    assert drawn.sigma_long.max() <= 3.8
    assert drawn.noise.max() <= 20
    compressed = drawn.quality[drawn.quality > 0]
    assert 35 <= compressed.min() < compressed.max() <= 95


def test_at_x1_a_photograph_without_damage_stays_as_it_is_and_blur_is_that_of_x2(
    photos: Tensor,
) -> None:
    assert torch.equal(fixed(1)(photos), photos)
    alone, beside = (pipeline("general", scale).sample(0, 0, range(500)) for scale in (1, 2))
    assert torch.equal(alone.sigma_long, beside.sigma_long)
    assert 1.8 < alone.sigma_long.max() <= 1.9
    sharper = (photos - fixed(1, blur=1.0)(photos)).abs().mean()
    assert sharper < (photos - fixed(1, blur=1.9)(photos)).abs().mean()
    resampled = GeneralOptions(resampling=Resampling(share=1)).build(1).sample(0, 0, range(4))
    assert resampled.resampled == ()


def test_a_named_degradation_does_what_its_name_says(photos: Tensor) -> None:
    pipelines = (fixed(4), fixed(4, blur=3.0), fixed(4, quality=30))
    clean, blurred, compressed = (degrade(photos) for degrade in pipelines)
    assert (blurred.diff(dim=3).abs().mean()) < 0.8 * clean.diff(dim=3).abs().mean()
    assert not torch.equal(compressed, clean)
    noisy = fixed(4, noise=10.0)(photos) - clean
    assert (noisy * 255).std() == pytest.approx(10, rel=0.1)


def test_all_wrong_ranges_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        GeneralOptions(max_noise=-1, sharp=2, min_quality=99, max_quality=50)
    assert all(word in str(caught.value) for word in ("max_noise", "sharp", "min_quality"))
    with pytest.raises(ConfigError, match="min_sigma <= max_sigma"):
        ClassicOptions(min_sigma=3, max_sigma=1)
    with pytest.raises(ConfigError, match=r"second: expected 0\.001 <= min_resize"):
        RealWorldOptions(second=OrderOptions(min_resize=3, max_resize=1))


def test_a_range_may_be_a_single_value() -> None:
    fixed_noise = OrderOptions(min_noise=5, max_noise=5, min_resize=1, max_resize=1)
    assert fixed_noise.min_noise == RealWorldOptions(first=fixed_noise).first.max_noise
    assert ClassicOptions(min_sigma=1, max_sigma=1).build(2).sample(0, 0, [0]).sigma_long == 1
