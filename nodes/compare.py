"""Compare: two images under one line that follows the pointer."""

from typing import Any

import torch
import torch.nn.functional as F
from comfy_api.latest import io
from torch import Tensor

from . import runtime
from .images import Picture
from .types import schema


class Compare(io.ComfyNode):
    """Previews for `web/compare.js`, which draws the slider."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Compare",
            display_name="KDSR Compare",
            description="Shows two images under one line that follows the pointer: before on the "
            "left, after on the right.",
            search_aliases=["before after", "slider", "image compare", "difference", "kdsr"],
            inputs=[
                io.Image.Input(
                    "before",
                    tooltip="Left of the line. Enlarged to the size of after (bicubic).",
                ),
                io.Image.Input("after", tooltip="Right of the line."),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, before: Tensor, after: Tensor) -> io.NodeOutput:
        shown = _planes(after)
        fitted = _resized(_planes(before), shown.shape[-2:])
        ui = {"kdsr_before": _previews(fitted, cls), "kdsr_after": _previews(shown, cls)}
        return io.NodeOutput(ui=ui)


def _planes(image: Tensor) -> Tensor:
    """An IMAGE as RGB or RGBA, (B, 3 or 4, H, W)."""
    picture = Picture.of(image)
    alpha = [] if picture.alpha is None else [picture.alpha]
    return torch.cat([picture.lq, *alpha], dim=1).float()


def _resized(planes: Tensor, size: tuple[int, ...]) -> Tensor:
    if planes.shape[-2:] == size:
        return planes
    return F.interpolate(planes, size=size, mode="bicubic", antialias=True).clamp(0, 1)


def _previews(planes: Tensor, node: Any) -> list[dict[str, str]]:
    """Files in ComfyUI's temp folder, as its own previews are named; none without a UI."""
    shown = runtime.preview_images(planes.movedim(1, -1), node)
    return [] if shown is None else shown.as_dict()["images"]
