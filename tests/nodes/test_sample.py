"""KDSR Sample in a V3 host; the clip and the previews need a real ComfyUI (tests/pack)."""

from types import SimpleNamespace

import pytest
import torch

from tests.support.comfy_host import Host
from tests.support.places import SAMPLES


@pytest.fixture
def sample(host: Host, monkeypatch):
    """Runs the node, with a stand-in for the VIDEO that the host lacks."""
    module = host.module("nodes.sample")
    videos = SimpleNamespace(VideoFromComponents=lambda parts: parts, VideoComponents=dict)
    monkeypatch.setattr(module, "InputImpl", videos)
    monkeypatch.setattr(module, "Types", videos)
    return lambda name: host.run("KDSR_Sample", sample=name)


def test_a_picture_has_an_empty_mask_its_idr_and_one_frame_of_video(sample) -> None:
    image, mask, idr, video = sample("kingfisher: blurred, noisy")
    assert image.shape == (1, 160, 200, 3)
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.std() > 0.1
    assert mask.shape == (1, 160, 200)
    assert not mask.any()
    assert len(idr) == 1
    assert torch.equal(video["images"], image)


def test_the_collage_comes_with_the_mask_of_its_right_half(sample) -> None:
    image, mask, _, _ = sample("collage: two sources, masked")
    assert image.shape[-1] == 3
    assert mask[..., -20:].mean() == 1
    assert mask[..., :20].mean() == 0
    assert image[:, :, -60:].diff(dim=2).abs().mean() > 0.01, "its colours are there under the mask"


def test_an_unknown_sample_is_found_before_running(host: Host) -> None:
    assert host.check("KDSR_Sample", sample="lake: noisy") is True
    assert host.check("KDSR_Sample", sample=None) is True
    problem = host.check("KDSR_Sample", sample="cat")
    assert "no sample 'cat'" in problem
    assert "lake: noisy" in problem


def test_workflows_may_describe_a_sample_as_it_once_was(host: Host, sample) -> None:
    assert host.check("KDSR_Sample", sample="lake: the largest") is True
    assert torch.equal(sample("lake: the largest")[0], sample("lake: noisy")[0])


def test_nothing_is_written_beside_the_samples(sample) -> None:
    before = sorted(SAMPLES.rglob("*"))
    sample("otter: sharp detail")
    assert sorted(SAMPLES.rglob("*")) == before
