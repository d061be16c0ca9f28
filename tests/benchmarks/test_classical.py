"""The classical estimators that a readout is compared with must be good ones."""

import pytest
import torch
from torch import Tensor

from benchmarks.classical import noise_by_wavelet, quality_by_quantisation
from tests.support.train_runs import PHOTOS
from train.data.images import load_image
from train.degradation.jpeg import jpeg_by_pillow
from train.measuring.protocols import fixed


def test_noise_of_a_smooth_image_is_found(photo: Tensor) -> None:
    smooth = torch.nn.functional.interpolate(photo[..., :40, :60], (200, 300), mode="bilinear")
    for sigma in (3.0, 12.0):
        noise = torch.randn(smooth.shape, generator=torch.Generator().manual_seed(1)) * sigma / 255
        assert noise_by_wavelet(smooth + noise).item() == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("quality", [30, 55, 75, 90])
@pytest.mark.parametrize("name", ["cityscape.jpg", "osprey.jpg", "butterfly.jpg"])
def test_jpeg_quality_of_libjpeg_is_found(name: str, quality: int) -> None:
    small = fixed(4)(load_image(PHOTOS / name))
    assert quality_by_quantisation(small).item() == 0
    made = jpeg_by_pillow(small, torch.tensor([float(quality)]))
    assert quality_by_quantisation(made).item() == pytest.approx(quality, abs=1)


def test_noise_is_not_taken_for_jpeg() -> None:
    noise = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    assert quality_by_quantisation((noise * 255).round() / 255).tolist() == [0, 0]
