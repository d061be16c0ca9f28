"""What saved workflows hold and no list offers any more: it validates, runs and says so."""

from typing import Any

import pytest
import torch

from tests.support.comfy_host import Host, declared_inputs

RETIRED = "old or recompressed"
NOTE = "old or recompressed was retired, photo takes its place"
SIZE = {"size_by": "model factor", "size": 2.0}


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 12, 10, 3, generator=torch.Generator().manual_seed(0))


def upscaled(host: Host, image: torch.Tensor, **inputs: Any) -> tuple[torch.Tensor, str]:
    """Result and note of KDSR Upscale."""
    with torch.inference_mode():
        out = host.node("KDSR_Upscale").execute(image, **SIZE, **inputs)
    return out.result[0], out.ui["kdsr_note"][0]


@pytest.mark.parametrize("node_id", ["KDSR_Upscale", "KDSR_UpscaleVideo"])
def test_a_retired_purpose_is_not_offered_and_is_valid(host: Host, node_id: str) -> None:
    assert declared_inputs(host, node_id)["purpose"][1]["options"] == ["photo", "faithful"]
    assert host.check(node_id, purpose=RETIRED) is True
    assert host.check(node_id, purpose=None) is True, "linked: known when it runs"
    assert host.check(node_id) is True
    assert host.check(node_id, purpose="new") == "no purpose 'new'; choose one of photo, faithful"


def test_a_retired_purpose_gives_the_pixels_of_photo_and_a_note(
    host: Host, image: torch.Tensor
) -> None:
    result, note = upscaled(host, image, purpose=RETIRED)
    expected, plain = upscaled(host, image, purpose="photo")
    assert torch.equal(result, expected)
    assert plain == "40 x 48 px by kdsr-s-x4-photo"
    assert note == f"{plain}; {NOTE}"


def test_a_purpose_that_a_linked_model_replaces_has_no_note(
    host: Host, image: torch.Tensor
) -> None:
    model = host.run("KDSR_Load", model="faithful")
    assert upscaled(host, image, purpose=RETIRED, model=model)[1] == "40 x 48 px by kdsr-s-x4"


def test_load_kdsr_takes_photo_for_a_retired_purpose_and_says_so(host: Host) -> None:
    assert host.check("KDSR_Load", model=RETIRED) is True
    node = host.node("KDSR_Load")
    out = node.execute(RETIRED, "auto", "", 0.5)
    assert out.result[0].main.name == "kdsr-s-x4-photo"
    assert out.ui == {"kdsr_note": [NOTE]}
    assert node.execute("photo", "auto").ui is None


@pytest.mark.parametrize("name", ["kdsr-s-x4-real", "kdsr-s-x4-classic"])
def test_a_retired_model_is_not_offered_and_loads_by_its_name(host: Host, name: str) -> None:
    assert name not in declared_inputs(host, "KDSR_Load")["model"][1]["options"]
    assert host.check("KDSR_Load", model=name) is True
    assert host.run("KDSR_Load", model=name).main.name == name
