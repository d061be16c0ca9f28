"""KDSR Upscale on linear light: highlights come back, and other images do not change by a bit."""

import pytest
import torch

from tests.support.comfy_host import Host


@pytest.fixture
def upscaled(host: Host):
    return lambda image, **options: host.run("KDSR_Upscale", image=image, **options)


def test_a_ramp_far_beyond_white_comes_back(upscaled) -> None:
    ramp = torch.linspace(0, 16, 96).expand(2, 48, 96)[..., None].expand(-1, -1, -1, 3).clone()
    result = upscaled(ramp, light="linear light", purpose="faithful")
    assert result.shape == (2, 192, 384, 3)
    small = result.reshape(2, 48, 4, 96, 4, 3).mean((2, 4))[:, 8:-8, 8:-8]
    expected = ramp[:, 8:-8, 8:-8]
    assert ((small - expected).abs() / expected).mean() < 0.01
    assert small.max() > 14


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_ordinary_images_do_not_change_by_a_bit(upscaled, channels: int) -> None:
    image = torch.rand(1, 20, 24, channels, generator=torch.Generator().manual_seed(0))
    assert torch.equal(upscaled(image), upscaled(image, light="display"))


def test_linear_light_is_what_its_display_is_to_the_networks(upscaled, host: Host) -> None:
    nodes = host.module("nodes.highlights")
    light = torch.rand(1, 20, 24, 4, generator=torch.Generator().manual_seed(0))
    light[..., :3] *= 3
    shown, span = nodes.to_display(light)
    assert span > 1
    assert torch.equal(shown[..., 3], light[..., 3])
    expected = nodes.to_light(upscaled(shown).clone(), span)
    found = upscaled(light, light="linear light")
    assert torch.equal(found, expected)
    assert found[..., 3].max() <= 1 < found[..., :3].max()


def test_what_is_no_light_is_refused(upscaled) -> None:
    with pytest.raises(Exception, match="NaN or infinite"):
        upscaled(torch.full((1, 8, 8, 3), torch.inf), light="linear light")
