"""A map of IDRs: a partition of the image, as close to the estimates of the cells as it says."""

import torch

from kdsr.estimation import maps
from kdsr.estimation.maps import alike, idr_map
from kdsr.estimation.regions import Regions


def weights(regions: Regions) -> torch.Tensor:
    """(parts, H, W)."""
    planes = torch.zeros(len(regions.parts), *regions.size.shape)
    for plane, part in zip(planes, regions.parts, strict=True):
        h, w = part.weights.shape
        plane[part.top : part.top + h, part.left : part.left + w] = part.weights
    return planes


def test_an_image_of_one_look_is_a_single_region_with_its_estimate(tiny) -> None:
    flat = torch.full((1, 3, 96, 96), 0.5)
    found = idr_map(tiny, flat, cells=3)
    # A corner sees the image's border, which the centre does not.
    torch.testing.assert_close(weights(found).sum(0), torch.ones(96, 96))
    centre = tiny.estimate(flat[..., 32:64, 32:64])
    assert centre.cosine(found.idr[0]).item() > 0.999
    assert len(found.parts) < 9


def test_cells_that_differ_keep_their_own_idrs(tiny, monkeypatch) -> None:
    lq = torch.rand(1, 3, 96, 128)
    lq[..., :64] = lq[..., :64] * 0.02 + 0.5
    monkeypatch.setattr(maps, "ALIKE", -1.0)
    single = idr_map(tiny, lq, cells=4)
    assert len(single.parts) == 12
    most = single.idr.angles(single.idr).max().item()
    monkeypatch.setattr(maps, "ALIKE", most / 2)
    found = idr_map(tiny, lq, cells=4)
    assert 1 < len(found.parts) < 12
    torch.testing.assert_close(weights(found).sum(0), torch.ones(96, 128))
    # Wherever a cell counts, the region that took it in holds an IDR that is that close.
    shares = weights(found)
    for cell, plane in enumerate(weights(single)):
        row, column = divmod(int(plane.argmax()), 128)
        part = int(shares[:, row, column].argmax())
        assert single.idr[cell].angles(found.idr[part]).item() <= most / 2


def test_groups_are_merged_nearest_first_and_never_wider_than_said() -> None:
    at = torch.tensor([0.0, 1.0, 2.5, 10.0, 3.4])
    apart = (at[:, None] - at).abs()
    assert alike(apart, -1) == [[0], [1], [2], [3], [4]]
    assert alike(apart, 1) == [[0, 1], [2, 4], [3]]
    assert alike(apart, 3) == [[0, 1], [2, 4], [3]]  # 0 and 3.4 are further apart
    assert alike(apart, 4) == [[0, 1, 2, 4], [3]]
    assert alike(apart, 99) == [[0, 1, 2, 3, 4]]
    assert apart.diagonal().eq(0).all()
