"""Models between devices, the memory that runs want, and where results are kept."""

from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import comfy.model_patcher
import torch
from torch import Tensor

from ...kdsr.network.baked import bytes_per_pixel
from ...kdsr.options import ESTIMATE_TILE
from ..types import LoadedModel

if TYPE_CHECKING:
    from ...kdsr import KDSR

_GOOD_TILE = 512


def has_cuda() -> bool:
    """Whether models run on a CUDA device."""
    return mm.get_torch_device().type == "cuda"


def manage(model: "KDSR", precision: str, name: str) -> LoadedModel:
    """Hands a model to ComfyUI, which moves it between devices from now on."""
    return LoadedModel(name, patcher(model), precision)


def patcher(model: torch.nn.Module) -> Any:
    """ComfyUI's wrapper that moves a network within its memory management."""
    return comfy.model_patcher.ModelPatcher(
        model, load_device=mm.get_torch_device(), offload_device=mm.unet_offload_device()
    )


def ready(loaded: LoadedModel, working_memory: int) -> "KDSR":
    """Moves a model to its device, other models out of the way.

    Args:
        loaded: The model.
        working_memory: Bytes that running it will take, apart from its weights.
    """
    mm.load_models_gpu([loaded.patcher], memory_required=working_memory, force_full_load=True)
    # Under --novram ComfyUI leaves plain layers on the offload device.
    return loaded.kdsr.to(loaded.patcher.load_device)


def estimating_memory(loaded: LoadedModel) -> int:
    """Bytes that estimating takes at its default tile size: the widest maps have 4C channels."""
    window = ESTIMATE_TILE + 2 * loaded.kdsr.estimator.halo
    return window * window * loaded.kdsr.config.n_feats * 4 * 3 * 4


def upscaling_memory(loaded: LoadedModel, height: int, width: int, tile: int = 0) -> int:
    """Bytes that upscaling an LQ image of this size wants; less is only slower.

    Args:
        loaded: The model.
        height: LQ pixels.
        width: LQ pixels.
        tile: LQ pixels between halos, or 0 for automatic.
    """
    config = loaded.kdsr.config
    longest = (tile or _GOOD_TILE) + 2 * loaded.kdsr.network.halo
    pixels = min(height, longest) * min(width, longest)
    # Twice, because an automatic tile takes half of what is free.
    return 2 * pixels * bytes_per_pixel(config, 4) + estimating_memory(loaded)


def free_memory() -> int:
    """Bytes that the system says are free where results are kept."""
    return mm.get_free_memory(torch.device("cpu"))


def empty_result(shape: tuple[int, int, int, int]) -> Tensor:
    """The one buffer a result is written into: (B, H, W, channels), zeros on the CPU."""
    return torch.zeros(shape, dtype=result_dtype())


def result(images: Tensor) -> Tensor:
    """Moves finished images to where ComfyUI keeps what passes between nodes."""
    return images.to(mm.intermediate_device(), result_dtype())


def result_dtype() -> torch.dtype:
    """Device of the images that pass between nodes."""
    pick = getattr(mm, "intermediate_dtype", None)  # later than 0.3.64
    return pick() if pick else torch.float32
