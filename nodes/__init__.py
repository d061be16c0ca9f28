"""ComfyUI nodes over `kdsr`: each reads its inputs, calls the library and reports progress."""

from comfy_api.latest import ComfyExtension, io

from . import runtime
from .bake import BakeUpscaleModel
from .blend import BlendIDR
from .compare import Compare
from .estimate import EstimateIDR
from .inspect import InspectIDR
from .load import LoadKDSR
from .load_idr import LoadIDR
from .sample import Sample
from .save_idr import SaveIDR
from .tile_upscale import TileUpscale
from .upscale import Upscale
from .upscale_regions import UpscaleRegions
from .video import UpscaleVideo


class KDSRExtension(ComfyExtension):
    """The extension that `comfy_entrypoint` returns."""

    def __init__(self) -> None:
        # Not in on_load: ComfyUI 0.3.64 does not call it.
        runtime.register_model_folder()
        runtime.extend_stock_loader()

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
