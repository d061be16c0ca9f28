"""The pack in a real ComfyUI: what it lists, runs, returns, stops and remembers."""

import pytest

from .comfy_server import ComfyServer

pytestmark = pytest.mark.comfy

NODES = {
    "KDSR_Load",
    "KDSR_EstimateIDR",
    "KDSR_Upscale",
    "KDSR_TileUpscale",
    "KDSR_InspectIDR",
    "KDSR_BlendIDR",
    "KDSR_SaveIDR",
    "KDSR_LoadIDR",
    "KDSR_BakeUpscaleModel",
}


def test_the_server_lists_every_node(comfy: ComfyServer) -> None:
    info = comfy.object_info()
    assert set(info) & NODES == NODES, comfy.log
