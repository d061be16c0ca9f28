"""KDSR Tile Upscale: KDSR Upscale with a linked model and the tile settings in view."""

from comfy_api.latest import io

from . import inputs
from .types import schema
from .upscale import Upscale


class TileUpscale(Upscale):
    """`kdsr upscale --tile --overlap`; kept for the workflows that have it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        tiles = inputs.tile_inputs()
        batch = tiles.pop("tiles_per_batch")
        return schema(
            "KDSR_TileUpscale",
            display_name="KDSR Tile Upscale",
            description="KDSR Upscale with the tile settings in view. With exact overlap the "
            "result equals that of the whole image at once.",
            search_aliases=["tiled upscale", "large image", "seamless", "ultimate", "4x",
                            "denoise", "deblur", "kdsr"],
            inputs=[
                inputs.MODEL_INPUT,
                inputs.IMAGE_INPUT,
                *inputs.size_inputs(),
                *tiles.values(),
                inputs.wrap_input(),
                batch,
                inputs.IDR_INPUT,
                inputs.STRENGTH_INPUT,
            ],
            outputs=[inputs.IMAGE_OUTPUT],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )  # fmt: skip
