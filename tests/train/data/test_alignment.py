import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.pairs import noisy, photo, shrunk
from train.data.alignment import align, shift
from train.data.pair_check import MAX_SHIFT, MIN_LIKENESS
from train.degradation.blur import blur
from train.degradation.kernels import gaussian_kernels

SHIFTS = [(0, 0), (8, 0), (-4, 12), (2, -3), (0, 24)]


@pytest.mark.parametrize("moved", SHIFTS)
@pytest.mark.parametrize("noise", [0.0, 15.0])
def test_a_shift_is_found_to_a_third_of_a_pixel(moved: tuple[int, int], noise: float) -> None:
    whole, (down, right) = photo(), moved
    inner = (32, 32, whole.width - 32, whole.height - 32)
    gt = whole.crop(inner)
    moved_gt = whole.crop((inner[0] - right, inner[1] - down, inner[2] - right, inner[3] - down))
    found = align(np.asarray(noisy(shrunk(moved_gt, 4), noise)), np.asarray(gt))
    assert found.down == pytest.approx(down / 4, abs=0.3)
    assert found.right == pytest.approx(right / 4, abs=0.3)
    assert found.likeness > MIN_LIKENESS


def test_degradations_alone_are_no_shift() -> None:
    gt = photo(1)
    pixels = torch.from_numpy(np.asarray(gt).copy()).permute(2, 0, 1)[None].float() / 255
    wide = torch.tensor([3.5])
    blurred = blur(pixels, gaussian_kernels(wide, torch.tensor([1.0]), torch.tensor([0.7])))
    image = Image.fromarray((blurred[0] * 255).round().byte().permute(1, 2, 0).numpy())
    for lq in (
        shrunk(image, 4),
        gt.resize((gt.width // 4, gt.height // 4), Image.Resampling.NEAREST),
        shrunk(gt, 4).quantize(8).convert("RGB"),
        shrunk(gt, 4).convert("1").convert("RGB"),  # dithered
    ):
        found = align(np.asarray(lq), np.asarray(gt))
        assert found.distance < MAX_SHIFT
        assert found.likeness > MIN_LIKENESS


def test_other_pictures_are_not_alike() -> None:
    first, second = photo(0), photo(1)
    side = min(*first.size, *second.size) // 8 * 8
    other = shrunk(second.crop((0, 0, side, side)), 4)
    found = align(np.asarray(other), np.asarray(first.crop((0, 0, side, side))))
    assert found.likeness < MIN_LIKENESS


def test_a_plain_shift_has_its_sign_and_axis() -> None:
    image = torch.rand(40, 60, generator=torch.Generator().manual_seed(0))
    lower = torch.roll(image, (3, -5), (0, 1))
    down, right = shift(image, lower)
    assert (down, right) == (pytest.approx(3, abs=0.2), pytest.approx(-5, abs=0.2))
