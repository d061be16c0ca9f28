import colorsys

import numpy as np
import pytest
import torch
from PIL import Image

from kdsr.pixels import to_bytes
from train.colour import from_ycbcr, luma_16_235, luma_full_range, to_ycbcr, to_yiq

IMAGES = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))


def test_the_first_channel_of_each_space_is_the_same_luma() -> None:
    luma = luma_full_range(IMAGES)
    for space in (to_ycbcr, to_yiq):
        torch.testing.assert_close(space(IMAGES)[:, :1], luma)


def test_ycbcr_is_that_of_jpeg_files_and_comes_back() -> None:
    pixels = to_bytes(IMAGES[0].movedim(0, -1))
    theirs = torch.from_numpy(np.array(Image.fromarray(pixels.numpy()).convert("YCbCr")))
    ours = to_ycbcr(pixels.movedim(-1, 0)[None].float())[0].movedim(0, -1)
    assert (ours + torch.tensor([0.0, 128.0, 128.0]) - theirs).abs().max() <= 1
    torch.testing.assert_close(from_ycbcr(to_ycbcr(IMAGES)), IMAGES)


def test_yiq_is_that_of_the_standard_library_up_to_its_rounding() -> None:
    pixel = (0.2, 0.7, 0.4)
    ours = to_yiq(torch.tensor(pixel).view(1, 3, 1, 1)).flatten().tolist()
    assert ours == pytest.approx(colorsys.rgb_to_yiq(*pixel), abs=0.02)


@pytest.mark.parametrize(("level", "luma"), [(0.0, 16.0), (1.0, 235.0)])
def test_luma_of_the_papers_goes_from_16_to_235(level: float, luma: float) -> None:
    found = luma_16_235(torch.full((1, 3, 1, 1), level))
    assert found.item() == pytest.approx(luma)
