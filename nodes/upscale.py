"""Upscale with IDR and Tile Upscale: the image, larger, with one IDR for all of its tiles."""

from typing import Any

from comfy_api.latest import io

from .estimate import WRAPS
from .types import ADVANCED, IDRType, ModelType, schema

SIZE_BY = ("model factor", "factor", "width", "height", "long side", "megapixels")
OVERLAPS = ("exact", "fast", "custom")


def common_inputs() -> list[Any]:
    """Inputs of both nodes up to the output size."""
    return [
        ModelType.Input("model", tooltip="From Load KDSR."),
        io.Image.Input(
            "image",
            tooltip="RGB or RGBA, any size, one or a batch. Alpha is upscaled apart.",
        ),
        io.Combo.Input(
            "size_by",
            options=list(SIZE_BY),
            default="model factor",
            tooltip="What the output size is given by. model factor: the model's own (x4 for an x4 "
            "model); anything smaller is an antialiased downscale of that.",
        ),
        io.Float.Input(
            "size",
            default=2.0,
            min=0.01,
            max=65536.0,
            step=0.01,
            tooltip="The factor, width, height or long side in pixels, or megapixels. Not used "
            "with model factor.",
        ),
    ]


IDR_INPUT = IDRType.Input(
    "idr",
    optional=True,
    tooltip="From Estimate IDR, Load IDR or Blend IDR: one for all images or one for each. "
    "Without it, each image's own is estimated.",
)
IMAGE_OUTPUT = io.Image.Output(display_name="image", tooltip="The upscaled image or batch.")


class Upscale(io.ComfyNode):
    """`model.upscale` with automatic tiles."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Upscale",
            display_name="Upscale with IDR",
            description="Upscales without seams; tiles and precision are chosen for you.",
            search_aliases=["super resolution", "upscale", "enlarge", "restore", "kdsr"],
            inputs=[*common_inputs(), IDR_INPUT],
            outputs=[IMAGE_OUTPUT],
        )

    @classmethod
    def execute(cls, model, image, size_by, size, idr=None) -> io.NodeOutput:
        raise NotImplementedError


class TileUpscale(io.ComfyNode):
    """`model.upscale` with every option."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_TileUpscale",
            display_name="Tile Upscale",
            description="Upscales any image size in bounded memory. With exact overlap the result "
            "equals that of the whole image at once.",
            search_aliases=["tiled upscale", "large image", "seamless", "ultimate", "kdsr"],
            inputs=[
                *common_inputs(),
                io.Int.Input(
                    "tile",
                    default=0,
                    min=0,
                    max=8192,
                    step=16,
                    tooltip="Input pixels per tile, overlap not counted. 0 is automatic, from "
                    "free memory. It does not change the result (with exact overlap).",
                ),
                io.Combo.Input(
                    "overlap",
                    options=list(OVERLAPS),
                    default="exact",
                    tooltip="exact: as far as the network sees, so that tiles cannot be told. "
                    "fast: 32 px, differences of about 0.001. custom: as below.",
                ),
                io.Int.Input(
                    "custom_overlap",
                    default=64,
                    min=0,
                    max=512,
                    step=1,
                    tooltip="Input pixels of overlap on each side, with overlap custom.",
                    **ADVANCED,
                ),
                io.Combo.Input(
                    "wrap",
                    options=list(WRAPS),
                    default="none",
                    tooltip="For seamless textures and panoramas: the image continues at its "
                    "other edge along x, y or both.",
                ),
                io.Int.Input(
                    "tiles_per_batch",
                    default=0,
                    min=0,
                    max=256,
                    tooltip="Tiles that go through the network together. 0 is automatic.",
                    **ADVANCED,
                ),
                IDR_INPUT,
            ],
            outputs=[IMAGE_OUTPUT],
        )

    @classmethod
    def execute(
        cls,
        model,
        image,
        size_by,
        size,
        tile,
        overlap,
        custom_overlap,
        wrap,
        tiles_per_batch,
        idr=None,
    ) -> io.NodeOutput:
        raise NotImplementedError
