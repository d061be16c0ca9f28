"""ComfyUI nodes over `kdsr`: each reads its inputs, calls the library and reports progress."""

from comfy_api.latest import ComfyExtension, io

from . import models, runtime
from .bake import BakeUpscaleModel
from .blend import BlendIDR
from .compare import Compare
from .estimate import EstimateIDR
from .files import LoadIDR, SaveIDR
from .inspect import InspectIDR
from .load import LoadKDSR
from .sample import Sample
from .tile_upscale import TileUpscale
from .upscale import Upscale
from .upscale_regions import UpscaleRegions
from .video import UpscaleVideo


class KDSRExtension(ComfyExtension):
    """What `comfy_entrypoint` returns."""

    def __init__(self) -> None:
        # Not in on_load: ComfyUI 0.3.64 does not call it.
        runtime.register_model_folder()
        runtime.extend_stock_loader()
        runtime.answer_get("/kdsr/facts", models.facts)

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Every node of the pack."""
        return [
            LoadKDSR,
            EstimateIDR,
            Upscale,
            TileUpscale,
            UpscaleRegions,
            UpscaleVideo,
            InspectIDR,
            BlendIDR,
            SaveIDR,
            LoadIDR,
            BakeUpscaleModel,
            Sample,
            Compare,
        ]
