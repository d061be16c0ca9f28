import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from tests.support.places import GOLDEN
from train.colour import luma_16_235
from train.measuring.metrics import psnr_y, ssim, ssim_y

EXPECTED = load_file(GOLDEN / "classic_degradation.safetensors")


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    gt = torch.rand(2, 3, 40, 56, generator=rng)
    return (gt + 0.1 * torch.randn(gt.shape, generator=rng)).clamp(0, 1), gt


def in_8_bit(image: torch.Tensor) -> np.ndarray:
    return (image * 255).round().byte().permute(1, 2, 0).numpy()


def test_psnr_equals_the_official_value() -> None:
    psnr = psnr_y(EXPECTED["sr"], EXPECTED["hr"], shave=4)
    torch.testing.assert_close(psnr.float(), EXPECTED["psnr_y"], atol=1e-5, rtol=0)


def test_ssim_equals_the_official_value_on_the_official_luma() -> None:
    odd = torch.tensor([65.738, 129.057, 25.064], dtype=torch.float64).view(1, 3, 1, 1)
    sr, gt = (
        ((EXPECTED[name].double() * 255).round() * odd / 255).sum(1, keepdim=True) + 16
        for name in ("sr", "hr")
    )
    pairs = zip(sr[..., 4:-4, 4:-4], gt[..., 4:-4, 4:-4], strict=True)
    official = torch.tensor([ssim(*pair) for pair in pairs])
    torch.testing.assert_close(official, EXPECTED["ssim_y"], atol=1e-7, rtol=0)
    ours = ssim_y(EXPECTED["sr"], EXPECTED["hr"], shave=4)
    torch.testing.assert_close(ours.float(), EXPECTED["ssim_y"], atol=2e-5, rtol=0)


def test_luma_equals_scikit_image(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    expected = rgb2ycbcr(in_8_bit(pair[0][0]))[..., 0]
    np.testing.assert_allclose(luma_16_235(pair[0])[0, 0].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("shave", [0, 4])
def test_psnr_equals_scikit_image(pair: tuple[torch.Tensor, torch.Tensor], shave: int) -> None:
    for i, found in enumerate(psnr_y(*pair, shave)):
        inner = slice(shave, -shave or None)
        a, b = (rgb2ycbcr(in_8_bit(images[i]))[inner, inner, 0] for images in pair)
        assert abs(peak_signal_noise_ratio(b, a, data_range=255) - found.item()) < 1e-9


def test_equal_images_have_the_best_scores(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert psnr_y(pair[0], pair[0], 2).isinf().all()
    torch.testing.assert_close(ssim_y(pair[0], pair[0], 2), torch.ones(2, dtype=torch.float64))


def test_values_are_rounded_to_8_bit_and_clamped_first() -> None:
    gt = torch.full((1, 3, 20, 20), 100 / 255)
    assert psnr_y(gt + 0.4 / 255, gt, 0).isinf().all()
    assert psnr_y(torch.full_like(gt, 1.7), torch.ones_like(gt), 0).isinf().all()


def test_an_image_without_anything_left_after_shaving_is_refused() -> None:
    with pytest.raises(ValueError, match="8x20 px are too small to shave 4 px"):
        psnr_y(torch.zeros(1, 3, 20, 8), torch.zeros(1, 3, 20, 8), 4)
