import pytest
import torch

from kdsr import IDR, Cancelled, IDRError, ImageError
from kdsr.estimation.regions import Regions, feathered, with_rest
from kdsr.options import Size, Tiling
from kdsr.pixels import resize
from kdsr.tiles.work import TileWork
from kdsr.upscaling.upscaler import Upscaler
from tests.conftest import make_tiny

EXACT = {"dtype": "fp32", "tile": 12}


@pytest.fixture
def lq() -> torch.Tensor:
    return torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(3))


def left_half(height: int = 40, width: int = 56) -> torch.Tensor:
    mask = torch.zeros(1, 1, height, width)
    mask[..., : width // 2] = 1
    return mask


def two(model) -> IDR:
    """Further apart than a network with random weights estimates them."""
    generator = torch.Generator().manual_seed(1)
    size = model.config.n_feats
    idr, full = (torch.randn(2, n, generator=generator) for n in (size, 4 * size))
    return IDR(idr, full, model.fingerprint)


def test_the_same_idr_everywhere_changes_nothing(either, lq) -> None:
    idr = either.estimate(lq)
    weights = torch.rand(3, 1, 40, 56)
    weights[1, :, 10:30, :20] = 0
    regions = Regions.of_weights(IDR.cat([idr] * 3), weights)
    torch.testing.assert_close(
        either.upscale(lq, regions, **EXACT), either.upscale(lq, idr, **EXACT), atol=2e-6, rtol=0
    )


def test_regions_are_the_blend_of_whole_images(either, lq) -> None:
    idr = two(either)
    weights = feathered(with_rest(left_half()), 6)
    whole = either.upscale(lq.expand(2, -1, -1, -1), idr, **EXACT)
    large = torch.nn.functional.interpolate(
        weights, scale_factor=either.config.scale, mode="bilinear"
    )
    expected = (whole * large).sum(0, keepdim=True)
    got = either.upscale(lq, Regions.of_weights(idr, weights), **EXACT)
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)
    assert (whole[0] - whole[1]).abs().max() > 1e-3


def test_a_small_region_is_computed_in_its_box_only(tiny, lq, monkeypatch) -> None:
    seen = []
    mask = torch.zeros(1, 1, 40, 56)
    mask[..., 20:24, 30:34] = 1
    regions = Regions.of_masks(tiny, lq, mask, feather=0)
    original = TileWork.__init__

    def spy(self, images, *rest, **keywords):
        seen.append(tuple(images.shape[-2:]))
        original(self, images, *rest, **keywords)

    monkeypatch.setattr(TileWork, "__init__", spy)
    tiny.upscale(lq, regions)
    halo = tiny.network.halo
    assert seen == [(6 + 2 * halo, 6 + 2 * halo), (40, 56)]


def test_each_region_is_estimated_from_its_own_pixels(tiny, lq) -> None:
    regions = Regions.of_masks(tiny, lq, left_half(), feather=4)
    expected = [tiny.estimate(lq, mask=mask) for mask in (left_half(), 1 - left_half())]
    torch.testing.assert_close(regions.idr.idr, IDR.cat(expected).idr)


def test_regions_keep_a_texture_seamless(either) -> None:
    lq = torch.rand(1, 3, 24, 24)
    idr = two(either)
    weights = with_rest(left_half(24, 24))
    rolled = torch.roll(lq, 12, -1), torch.roll(weights, 12, -1)
    options = {**EXACT, "wrap": (True, True)}
    a = either.upscale(lq, Regions.of_weights(idr, weights), **options)
    b = either.upscale(rolled[0], Regions.of_weights(idr, rolled[1]), **options)
    # Weights are interpolated, not wrapped, so the image's edge itself is left out.
    s = either.config.scale
    inner = slice(2 * s, 10 * s)
    torch.testing.assert_close(
        torch.roll(a, 12 * s, -1)[..., inner], b[..., inner], atol=2e-6, rtol=0
    )


def test_frames_sizes_and_integers(tiny, lq) -> None:
    regions = Regions.of_masks(tiny, lq, left_half())
    film = torch.cat((lq, lq.flip(-2)))
    large = tiny.upscale(film, regions, **EXACT)
    assert torch.equal(large[:1], tiny.upscale(lq, regions, **EXACT))
    eight = torch.empty(2, 3, 160, 224, dtype=torch.uint8)
    tiny.upscale(film, regions, out=eight, **EXACT)
    assert torch.equal(eight, (large * 255).round().to(torch.uint8))
    half = Upscaler(tiny, Tiling(**EXACT)).upscale(film, regions, Size(112, 80))
    torch.testing.assert_close(half, resize(large, Size(112, 80), (False, False)).clamp(0, 1))


def test_progress_reaches_the_end_and_work_can_be_stopped(tiny, lq) -> None:
    regions = Regions.of_masks(tiny, lq, left_half())
    seen = []
    tiny.upscale(lq, regions, progress=lambda done, total: seen.append((done, total)), **EXACT)
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    with pytest.raises(Cancelled):
        tiny.upscale(lq, regions, cancelled=lambda: len(seen) > 0)


def test_what_does_not_fit_is_refused(tiny, lq) -> None:
    idr = two(tiny)
    with pytest.raises(ImageError, match=r"50\.0% of the image belongs to no region"):
        Regions.of_weights(idr[0], left_half())
    with pytest.raises(IDRError, match="2 IDRs for 1 regions"):
        Regions.of_weights(idr, left_half())
    with pytest.raises(ImageError, match="empty"):
        Regions.of_masks(tiny, lq, torch.zeros(1, 1, 40, 56))
    with pytest.raises(ImageError, match="finite"):
        Regions.of_weights(idr[0], torch.full((1, 1, 4, 4), -1.0))
    with pytest.raises(ImageError, match="feather"):
        feathered(left_half(), -1)
    regions = Regions.of_weights(idr, with_rest(left_half()))
    with pytest.raises(ImageError, match="for an image of 56 x 40 px, got 40 x 56"):
        tiny.upscale(lq.mT, regions)
    with pytest.raises(ImageError, match="out must be"):
        tiny.upscale(lq, regions, out=torch.empty(1, 3, 40, 56))
    with pytest.raises(IDRError, match="fingerprint"):
        make_tiny(seed=1).upscale(lq, regions)


@pytest.mark.parametrize("radius", [0, 1, 5, 500])
def test_feathering_keeps_masks_in_range_and_flat_ones_flat(radius: int) -> None:
    soft = feathered(with_rest(left_half()), radius)
    assert soft.min() >= 0
    torch.testing.assert_close(soft.sum(0), torch.ones(1, 40, 56))
    torch.testing.assert_close(feathered(torch.ones(1, 1, 9, 9), radius), torch.ones(1, 1, 9, 9))
    ramp = soft[0, 0, 20]
    assert (ramp.diff() <= 1e-6).all()
    if radius < 28:
        assert ramp[28 - radius - 1] == 1.0
        assert ramp[28 + radius] == 0.0
