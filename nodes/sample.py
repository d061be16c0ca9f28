"""KDSR Sample: something to upscale right after installing, with nothing copied or downloaded."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy_api.latest import InputImpl, Types, io
from PIL import Image
from torch import Tensor

from ..kdsr.errors import ImageError
from ..kdsr.idr import IDR
from . import runtime
from .types import IDRType, schema

FOLDER = Path(__file__).parents[1] / "samples"
SAMPLES = {
    "kingfisher: blurred, noisy": "example.png",
    "osprey: almost clean": "osprey.png",
    "lake: noisy": "lake.png",
    "otter: sharp detail": "otter.png",
    "dandelion: out of focus": "dandelion.png",
    "collage: two sources, masked": "collage.png",
    "bricks: seamless texture": "bricks.png",
    "net: seamless texture": "net.png",
    "city: 8 frames with sound": "pan.mp4",
    "generated: clean": "generated.png",
    "wren: large, noisy JPEG": "wren.jpg",
}
"""Choices of the node: descriptions of the pictures, and their files in `samples/`."""


class Sample(io.ComfyNode):
    """Files of `samples/`, read where they are."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Sample",
            display_name="KDSR Sample",
            description="A small picture or clip to try the other nodes on. It comes with the "
            "pack.",
            search_aliases=["example image", "demo", "test image", "try", "kdsr"],
            inputs=[
                io.Combo.Input(
                    "sample",
                    options=list(SAMPLES),
                    default=next(iter(SAMPLES)),
                    tooltip="For your own picture use Load Image in place of this node; for a "
                    "clip, Load Video.",
                )
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture, or the clip's frames."),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="The right half of the collage. Empty for the others.",
                ),
                IDRType.Output(
                    display_name="idr",
                    tooltip="Its IDR by the model faithful, one for each frame. Other models "
                    "refuse it.",
                ),
                io.Video.Output(
                    display_name="video", tooltip="The clip with its sound. A picture is one frame."
                ),
            ],
            is_output_node=True,  # its picture is shown again when it comes from the cache
        )

    @classmethod
    def validate_inputs(cls, sample: str | None = None) -> bool | str:
        # None: linked, known when it runs.
        return True if sample is None or _file(sample) else _unknown(sample)

    @classmethod
    def execute(cls, sample: str) -> io.NodeOutput:
        name = _file(sample)
        if name is None:
            raise ImageError(_unknown(sample))
        path = FOLDER / name
        image, mask, video = _clip(path) if path.suffix == ".mp4" else _still(path)
        idr = IDR.load(FOLDER / "idr" / f"{path.stem}.safetensors")
        shown = runtime.preview_images(image[:1], cls)
        return io.NodeOutput(runtime.result(image), mask, idr, video, ui=shown)


def _file(sample: str) -> str | None:
    """The file of a choice, which its first word names: workflows may hold former descriptions."""
    subject = sample.partition(":")[0]
    return next((file for name, file in SAMPLES.items() if name.startswith(f"{subject}:")), None)


def _unknown(sample: str) -> str:
    return f"no sample {sample!r}; choose one of: {'; '.join(SAMPLES)}"


def _still(path: Path) -> tuple[Tensor, Tensor, Any]:
    """IMAGE (1, H, W, 3); MASK (1, H, W), what is transparent in the file; VIDEO of one frame.

    Read as it is: what is under the mask is to be seen, and the library leaves hidden colours out.
    """
    with Image.open(path) as file:
        pixels = torch.from_numpy(np.asarray(file.convert("RGBA"), dtype=np.float32) / 255)[None]
    image, mask = pixels[..., :3].contiguous(), 1 - pixels[..., 3]
    still = Types.VideoComponents(images=image, frame_rate=Fraction(1))
    return image, mask, InputImpl.VideoFromComponents(still)


def _clip(path: Path) -> tuple[Tensor, Tensor, Any]:
    """IMAGE (frames, H, W, 3), an empty MASK, VIDEO."""
    video = InputImpl.VideoFromFile(str(path))
    image = video.get_components().images
    return image, torch.zeros(image.shape[:3]), video
