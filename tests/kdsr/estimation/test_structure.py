"""Counting the pixels that can say anything."""

import pytest
import torch

import kdsr.estimation.features as module
from kdsr import IDR, KDSR, IDRError
from kdsr.estimation.features import structured_pixels
from kdsr.estimation.maps import smooth


def test_only_pixels_beside_an_edge_count() -> None:
    lq = torch.zeros(2, 3, 6, 8)
    lq[1, 2, :, 4:] = 1.0  # in blue alone
    assert structured_pixels(lq).tolist() == [0, 6]
    assert structured_pixels(lq.transpose(2, 3)).tolist() == [0, 6]


def test_steps_of_rounding_do_not_count() -> None:
    noise = torch.randint(0, 3, (1, 3, 20, 20), generator=torch.Generator().manual_seed(0))
    assert structured_pixels(noise / 255).tolist() == [0]
    assert structured_pixels(noise * 2 / 255).item() > 250


def test_one_pixel_has_no_structure() -> None:
    assert structured_pixels(torch.ones(1, 3, 1, 1)).tolist() == [0]


def test_large_images_are_counted_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    lq = torch.rand(2, 3, 37, 11, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(2, 1, 37, 11, generator=torch.Generator().manual_seed(1))
    whole = structured_pixels(lq), structured_pixels(lq, mask)
    monkeypatch.setattr(module, "_STRIP", 60)
    torch.testing.assert_close((structured_pixels(lq), structured_pixels(lq, mask)), whole)


def test_a_mask_selects_and_its_brightness_does_not_matter() -> None:
    lq = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 1, 10, 10)
    mask[..., :4] = 0.01
    assert structured_pixels(lq, mask).item() == pytest.approx(40)


def test_an_estimate_and_all_that_is_made_of_it_know_their_pixels(tiny: KDSR) -> None:
    lq = torch.zeros(2, 3, 12, 12)
    lq[1] = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0))
    idr = tiny.estimate(lq)
    assert idr.structure[0] == 0
    assert idr.structure[1] > 130
    assert torch.equal(IDR.cat([idr, idr[1]]).structure[2:], idr.structure[1:])
    assert torch.equal(smooth(idr, 0.5).structure, idr.structure)
    assert idr.mean().structure.tolist() == [0], "the least of all that went in"
    assert idr[1].blend(idr, 0.5).structure.tolist() == idr.structure.tolist()


@pytest.mark.parametrize("counts", [torch.tensor([-1.0]), torch.ones(2), torch.tensor([torch.nan])])
def test_counts_that_cannot_be_are_refused(tiny: KDSR, counts: torch.Tensor) -> None:
    idr = tiny.estimate(torch.rand(1, 3, 8, 8))
    with pytest.raises(IDRError, match="1 counts of pixels"):
        IDR(idr.idr, idr.idr_full, idr.fingerprint, {}, counts)
