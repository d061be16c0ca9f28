"""Tile Upscale: every option of how the work is cut."""

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.idr import IDR
from ..kdsr.options import OVERLAP_NAMES, WRAPS
from .images import Picture
from .inputs import IDR_INPUT, IMAGE_OUTPUT, STRENGTH_INPUT, common_inputs, wrap_input
from .results import new_result
from .running import upscale
from .sizes import FIT_HEIGHT, output_size
from .types import ADVANCED, LoadedModel, schema

CUSTOM = "custom"
CUSTOM_OVERLAP = 64


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
                    optional=True,
                    tooltip="Input pixels per tile, overlap not counted. 0 is automatic, from "
                    "free memory. It does not change the result (with exact overlap).",
                ),
                io.Combo.Input(
                    "overlap",
                    options=[*OVERLAP_NAMES, CUSTOM],
                    default="exact",
                    optional=True,
                    tooltip="exact: as far as the network sees, so that tiles cannot be told. "
                    "fast: 32 px, differences of about 0.001. custom: as below.",
                ),
                io.Int.Input(
                    "custom_overlap",
                    default=CUSTOM_OVERLAP,
                    min=0,
                    max=512,
                    step=1,
                    optional=True,
                    tooltip="Input pixels of overlap on each side, with overlap custom.",
                ),
                wrap_input(),
                io.Int.Input(
                    "tiles_per_batch",
                    default=0,
                    min=0,
                    max=256,
                    optional=True,
                    tooltip="Tiles that go through the network together. 0 is automatic.",
                    **ADVANCED,
                ),
                IDR_INPUT,
                STRENGTH_INPUT,
            ],
            outputs=[IMAGE_OUTPUT],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        size_by: str,
        size: float,
        fit_height: int = FIT_HEIGHT,
        tile: int = 0,
        overlap: str = "exact",
        custom_overlap: int = CUSTOM_OVERLAP,
        wrap: str = "none",
        tiles_per_batch: int = 0,
        idr: IDR | None = None,
        strength: float = 1.0,
    ) -> io.NodeOutput:
        picture = Picture.of(image)
        out = new_result(cls, model, picture, output_size(size_by, size, fit_height))
        result = upscale(
            model,
            picture,
            out,
            idr,
            strength=strength,
            tile=tile,
            wrap=WRAPS[wrap],
            overlap=custom_overlap if overlap == CUSTOM else overlap,
            batch=tiles_per_batch or "auto",
        )
        return io.NodeOutput(result)
