"""Compare in a V3 host: which pictures the slider is given."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tests.support.comfy_host import Host


@pytest.fixture
def compared(host: Host, monkeypatch):
    """Runs the node; gives the pictures it shows, by side."""
    seen = []

    def preview(images, _node):
        seen.append(images)
        return SimpleNamespace(as_dict=lambda: {"images": [len(seen)]})

    monkeypatch.setattr(host.module("nodes.runtime"), "preview_images", preview)

    def run(before, after):
        ui = host.node("KDSR_Compare").execute(before, after).ui
        return {side: seen[ui[f"kdsr_{side}"][0] - 1] for side in ("before", "after")}

    return run


def test_before_is_enlarged_to_after_by_bicubic_interpolation(compared) -> None:
    before, after = torch.rand(1, 6, 8, 3), torch.rand(1, 24, 32, 3)
    shown = compared(before, after)
    planes = before.movedim(-1, 1)
    bicubic = F.interpolate(planes, size=(24, 32), mode="bicubic", antialias=True).clamp(0, 1)
    assert torch.equal(shown["before"], bicubic.movedim(1, -1))
    assert torch.equal(shown["after"], after)


def test_pictures_of_one_size_are_shown_as_they_are(compared) -> None:
    before, after = torch.rand(2, 9, 7, 3), torch.rand(3, 9, 7, 3)
    shown = compared(before, after)
    assert torch.equal(shown["before"], before)
    assert torch.equal(shown["after"], after)


def test_grey_becomes_rgb_and_alpha_stays(compared) -> None:
    shown = compared(torch.rand(1, 4, 4, 1), torch.rand(1, 4, 4, 4))
    assert shown["before"].shape == (1, 4, 4, 3)
    assert shown["after"].shape == (1, 4, 4, 4)


def test_without_a_user_interface_nothing_is_shown(host: Host) -> None:
    picture = torch.rand(1, 4, 4, 3)
    ui = host.node("KDSR_Compare").execute(picture, picture).ui
    assert ui == {"kdsr_before": [], "kdsr_after": []}
