import pytest
import torch

from kdsr import ImageError
from kdsr.estimation.grid import estimate_local


def test_a_cell_is_what_its_mask_gives(tiny) -> None:
    lq = torch.rand(1, 3, 50, 83)
    local = estimate_local(tiny, lq, cells=4, tile=24, dtype="fp32")
    assert (local.rows, local.columns) == (2, 4)
    mask = torch.zeros(1, 1, 50, 83)
    mask[..., 25:, 21:42] = 1
    expected = tiny.estimate(lq, mask=mask, dtype="fp32")
    cell = local.idr[1 * 4 + 1]
    torch.testing.assert_close(cell.idr_full, expected.idr_full, rtol=0, atol=1e-6)
    torch.testing.assert_close(cell.idr, expected.idr, rtol=0, atol=1e-6)


def test_a_uniform_image_has_no_differences_inside(tiny) -> None:
    lq = torch.full((1, 3, 96, 96), 0.5)
    local = estimate_local(tiny, lq, cells=6, dtype="fp32")
    angles = local.angles(local.idr[2 * 6 + 2])
    assert angles[1:-1, 1:-1].max() < 0.05
    assert angles[0, 0] > angles[1:-1, 1:-1].max()  # zero padding is seen at the border


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (15, 3)])
def test_tiny_images_have_at_least_one_cell(tiny, size) -> None:
    local = estimate_local(tiny, torch.rand(1, 3, *size))
    assert local.rows * local.columns == len(local.idr) >= 1


def test_a_batch_is_refused(tiny) -> None:
    with pytest.raises(ImageError, match="one image"):
        estimate_local(tiny, torch.rand(2, 3, 20, 20))
