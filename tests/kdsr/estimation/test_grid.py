import pytest
import torch

from kdsr import ConfigError, ImageError
from kdsr.estimation.maps import estimate_local
from kdsr.network.architecture import DegradationEstimator
from kdsr.options import Tiling
from tests.support.limits import run_out_of_memory

FP32 = Tiling(dtype="fp32")


def test_a_cell_is_what_its_mask_gives(tiny) -> None:
    lq = torch.rand(1, 3, 50, 83)
    local = estimate_local(tiny, lq, cells=4, tiling=Tiling(24, dtype="fp32"))
    assert (local.rows, local.columns) == (2, 4)
    mask = torch.zeros(1, 1, 50, 83)
    mask[..., 25:, 21:42] = 1
    expected = tiny.estimate(lq, mask=mask, dtype="fp32")
    cell = local.idr[1 * 4 + 1]
    torch.testing.assert_close(cell.idr_full, expected.idr_full, rtol=0, atol=1e-6)
    torch.testing.assert_close(cell.idr, expected.idr, rtol=0, atol=1e-6)


def test_a_masked_cell_is_what_its_share_of_the_mask_gives(tiny) -> None:
    lq = torch.rand(1, 3, 50, 83)
    mask = torch.rand(1, 1, 50, 83)
    mask[..., 25:, 21:42] = 0
    local = estimate_local(tiny, lq, cells=4, mask=mask, tiling=Tiling(24, dtype="fp32"))
    share = torch.zeros_like(mask)
    share[..., :25, :21] = mask[..., :25, :21]
    for cell, weights in ((0, share), (1 * 4 + 1, mask)):  # of the second nothing counts
        expected = tiny.estimate(lq, mask=weights, dtype="fp32")
        torch.testing.assert_close(local.idr[cell].idr, expected.idr, rtol=0, atol=1e-6)


def test_a_uniform_image_has_no_differences_inside(tiny) -> None:
    lq = torch.full((1, 3, 96, 96), 0.5)
    local = estimate_local(tiny, lq, cells=6, tiling=FP32)
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


@pytest.mark.parametrize("cells", [0, -3])
def test_a_grid_without_cells_is_refused(tiny, cells: int) -> None:
    with pytest.raises(ConfigError, match="at least 1 cell"):
        estimate_local(tiny, torch.rand(1, 3, 20, 20), cells=cells)


@pytest.mark.parametrize("tile", [0, -1, "large"])
def test_a_bad_tile_is_one_kind_of_error_everywhere(tiny, tile) -> None:
    lq = torch.rand(1, 3, 20, 20)
    for use in (tiny.estimate, tiny.upscale):
        with pytest.raises(ConfigError, match="tile"):
            use(lq, tile=tile)
    with pytest.raises(ConfigError, match="tile"):
        Tiling(tile)


def test_wrapped_cells_do_not_see_a_border(tiny) -> None:
    lq = torch.full((1, 3, 96, 96), 0.5)
    local = estimate_local(tiny, lq, cells=6, tiling=Tiling(wrap=(True, True), dtype="fp32"))
    assert local.angles(local.idr[0]).max() < 0.05


def test_a_shortage_of_memory_halves_the_tiles_of_a_grid(tiny, monkeypatch) -> None:
    lq = torch.rand(1, 3, 90, 70)
    expected = estimate_local(tiny, lq, cells=3, tiling=FP32)
    tried = run_out_of_memory(monkeypatch, DegradationEstimator, "features", 60 * 60, MemoryError())
    found = estimate_local(tiny, lq, cells=3, tiling=FP32)
    assert tried[0] > 60 * 60 >= tried[-1]
    torch.testing.assert_close(found.idr.idr_full, expected.idr.idr_full, rtol=0, atol=1e-6)
