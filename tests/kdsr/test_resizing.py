import pytest
import torch

from kdsr import ImageError
from kdsr.options import Job, Size, Tiling
from kdsr.pixels import bleed, resize
from kdsr.upscaling.upscaler import Upscaler

FP32 = Tiling(dtype="fp32")


def test_without_a_size_it_is_the_models_own(either) -> None:
    lq = torch.rand(2, 3, 9, 7)
    assert torch.equal(Upscaler(either, FP32).upscale(lq), either.upscale(lq, dtype="fp32"))


def test_a_smaller_size_is_an_antialiased_downscale(tiny) -> None:
    lq = torch.rand(1, 3, 12, 10)
    result = Upscaler(tiny, FP32).upscale(lq, size=Size(20, 24))
    sr = tiny.upscale(lq, dtype="fp32")
    expected = torch.nn.functional.interpolate(sr, (24, 20), mode="bicubic", antialias=True)
    torch.testing.assert_close(result, expected.clamp(0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("frames_at_a_time", [1, 2, 3])
def test_groups_of_frames_do_not_change_the_result(tiny, frames_at_a_time, monkeypatch) -> None:
    lq = torch.rand(5, 3, 8, 8)
    idr = tiny.estimate(lq)
    expected = Upscaler(tiny, FP32).upscale(lq, idr, Size(16, 16))
    monkeypatch.setattr("kdsr.pixels._BUFFER_VALUES", frames_at_a_time * 3 * 32 * 32)
    seen = []
    out = torch.empty(5, 16, 16, 3)
    job = Job(lambda done, total: seen.append((done, total)))
    Upscaler(tiny, FP32).upscale(lq, idr, Size(16, 16), out=out.movedim(-1, 1), job=job)
    torch.testing.assert_close(out.movedim(-1, 1), expected, rtol=0, atol=1e-6)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == 5 * 8 * 8
    assert len(seen) == 5, "each image is one tile"


def test_alpha_is_resized_apart_and_opaque_images_keep_their_colours(either) -> None:
    lq = torch.rand(1, 3, 8, 8)
    result = Upscaler(either, FP32).upscale(lq, alpha=torch.ones(1, 1, 8, 8))
    torch.testing.assert_close(result[:, :3], either.upscale(lq, dtype="fp32"), rtol=0, atol=1e-6)
    assert torch.equal(result[:, 3:], torch.ones_like(result[:, 3:]))


def test_hidden_pixels_take_the_colour_of_their_visible_neighbours() -> None:
    colour = torch.zeros(1, 3, 9, 9)  # black where hidden: the classic dark fringe
    colour[..., 3:6, 3:6] = 0.8
    alpha = (colour[:, :1] > 0).float()
    filled = bleed(colour, alpha)
    assert torch.allclose(filled, torch.full_like(filled, 0.8))


def test_partly_transparent_pixels_keep_their_colour() -> None:
    colour, alpha = torch.rand(1, 3, 6, 5), torch.full((1, 1, 6, 5), 0.3)
    alpha[..., 0, 0] = 0
    filled = bleed(colour, alpha)
    assert torch.equal(filled[..., 1:, :], colour[..., 1:, :])


@pytest.mark.parametrize("size", [Size(30, 20), Size(13, 7), Size(60, 80)])
def test_wrapped_resizing_commutes_with_rolling(size: Size) -> None:
    generator = torch.Generator().manual_seed(0)
    texture = torch.rand(1, 3, 40, 30, generator=generator)
    half = (texture.shape[-2] // 2, texture.shape[-1] // 2)
    shift = (size.height // 2, size.width // 2)
    rolled = resize(texture.roll(half, (2, 3)), size, (True, True))
    straight = resize(texture, size, (True, True))
    if size.height % 2 == 0 and size.width % 2 == 0:  # else half a pixel of the result lies between
        torch.testing.assert_close(rolled, straight.roll(shift, (2, 3)), rtol=0, atol=1e-5)
    plain = resize(texture, size, (False, False))
    assert (plain - straight)[..., 0, :].abs().max() > 1e-3
    rows, columns = size.height // 3, size.width // 3
    middle = (..., slice(rows, -rows), slice(columns, -columns))
    torch.testing.assert_close(plain[middle], straight[middle], rtol=0, atol=1e-5)


def test_eight_bit_buffers_hold_the_rounded_result(either) -> None:
    lq, alpha = torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8)
    upscaler, full = Upscaler(either, FP32), Size(8, 8).scaled(either.config.scale)
    for size in (None, Size(16, 12)):
        out = torch.empty(1, 4, *(size or full).shape, dtype=torch.uint8)
        upscaler.upscale(lq, size=size, alpha=alpha, out=out)
        expected = upscaler.upscale(lq, size=size, alpha=alpha)
        assert (out - (expected * 255).round()).abs().max() <= 1
        assert out.float().std() > 1


def test_the_inputs_stay_as_they_are(tiny) -> None:
    lq, alpha = torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8)
    kept = lq.clone(), alpha.clone()
    out = Upscaler(tiny).upscale(lq, size=Size(8, 8), alpha=alpha)
    assert torch.equal(lq, kept[0])
    assert torch.equal(alpha, kept[1])
    torch.testing.assert_close(out[:, 3:], alpha, rtol=0, atol=1e-5)


def test_one_pixel_images_and_results(tiny) -> None:
    made = Upscaler(tiny).upscale(torch.rand(1, 3, 1, 1), size=Size(1, 1))
    assert made.shape == (1, 3, 1, 1)
    assert resize(torch.rand(1, 3, 1, 5), Size(3, 1), (True, True)).shape == (1, 3, 1, 3)


def test_what_does_not_fit_is_refused(tiny) -> None:
    lq, upscaler = torch.rand(1, 3, 4, 4), Upscaler(tiny)
    with pytest.raises(ImageError, match="at least 1 x 1"):
        upscaler.upscale(lq, size=Size(4, 0))
    with pytest.raises(ImageError, match="alpha of shape"):
        upscaler.upscale(lq, alpha=torch.ones(1, 4, 4))
    with pytest.raises(ImageError, match="out must be a float or uint8 tensor of shape"):
        upscaler.upscale(lq, size=Size(8, 8), out=torch.empty(1, 3, 16, 16))
