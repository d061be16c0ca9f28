"""Everything this pack asks of ComfyUI: devices, memory, progress, interruption, folders, UI.

One file, so that a change in ComfyUI has one place to be answered, and so that the other nodes can
be read without knowing ComfyUI's internals.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import comfy.model_patcher
import comfy.utils
import folder_paths
import torch
from torch import Tensor

from ..kdsr.options import ESTIMATE_TILE
from ..kdsr.upscaling.tiled import bytes_per_pixel
from .types import LoadedModel

if TYPE_CHECKING:
    from ..kdsr import KDSR

MODEL_FOLDER = "kdsr"
_EXTENSIONS = {".safetensors", ".pt", ".pth"}
_GOOD_TILE = 512
_PREVIEW_SIDE = 512
_PREVIEW_SECONDS = 0.5


# ---- models and memory


def has_cuda() -> bool:
    """Whether models run on a CUDA device."""
    return mm.get_torch_device().type == "cuda"


def manage(model: "KDSR", precision: str) -> LoadedModel:
    """Hands a model to ComfyUI, which moves it between devices from now on."""
    return LoadedModel(patcher(model), precision)


def patcher(model: torch.nn.Module) -> Any:
    """What ComfyUI moves a network by, within its memory management."""
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


def empty_result(batch: int, height: int, width: int, channels: int) -> Tensor:
    """The one buffer a result is written into: (B, H, W, channels) on the CPU."""
    return torch.zeros((batch, height, width, channels), dtype=_result_dtype())


def result(images: Tensor) -> Tensor:
    """Moves finished images to where ComfyUI keeps what passes between nodes."""
    return images.to(mm.intermediate_device(), _result_dtype())


def _result_dtype() -> torch.dtype:
    pick = getattr(mm, "intermediate_dtype", None)  # later than 0.3.64
    return pick() if pick else torch.float32


# ---- progress and interruption


def cancelled() -> bool:
    """For `kdsr`'s `cancelled`: leaves by ComfyUI's own exception."""
    mm.throw_exception_if_processing_interrupted()
    return False


def progress_bar(preview: Callable[[], Tensor] | None = None) -> Callable[[int, int], None]:
    """Shows progress in the node.

    Args:
        preview: Gives a small picture, (H, W, 3) in [0, 1], of how far the result has come. Asked
            twice a second at most.

    Returns:
        For `kdsr`'s `progress`.
    """
    bar = None
    shown = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal bar, shown
        bar = bar or comfy.utils.ProgressBar(total)
        picture = None
        if preview is not None and time.monotonic() - shown > _PREVIEW_SECONDS:
            shown = time.monotonic()
            picture = ("JPEG", _to_pil(preview()), _PREVIEW_SIDE)
        bar.update_absolute(done, total, picture)

    return progress


def _to_pil(picture: Tensor):
    from PIL import Image

    return Image.fromarray((picture.float().clamp(0, 1) * 255).round().to(torch.uint8).numpy())


# ---- folders


def register_model_folder() -> None:
    """Makes models/kdsr known, beside the folders that extra_model_paths.yaml names."""
    default = str(Path(folder_paths.models_dir, MODEL_FOLDER))
    known = folder_paths.folder_names_and_paths.get(MODEL_FOLDER, ([], set()))[0]
    paths = [*known, *([] if default in known else [default])]
    # Set directly: add_model_folder_path gives a new name an empty list of extensions.
    folder_paths.folder_names_and_paths[MODEL_FOLDER] = (paths, set(_EXTENSIONS))


def model_files() -> list[str]:
    """Names of the files in models/kdsr."""
    return folder_paths.get_filename_list(MODEL_FOLDER)


def model_path(name: str) -> Path | None:
    """The file of that name in models/kdsr."""
    path = folder_paths.get_full_path(MODEL_FOLDER, name)
    return Path(path) if path else None


def model_folders() -> list[Path]:
    """Every folder of models/kdsr; the first keeps what is downloaded."""
    return [Path(folder) for folder in folder_paths.get_folder_paths(MODEL_FOLDER)]


def new_output_path(prefix: str, suffix: str) -> Path:
    """The next free file name in the output folder, as Save Image numbers its files."""
    folder, name, counter, _, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory()
    )
    path = Path(folder, f"{name}_{counter:05}_{suffix}")
    while path.exists():
        counter += 1
        path = Path(folder, f"{name}_{counter:05}_{suffix}")
    return path


def idr_files() -> list[str]:
    """Safetensors files in the input folder, and those in the output folder marked [output]."""
    found = []
    for folder, mark in (
        (folder_paths.get_input_directory(), ""),
        (folder_paths.get_output_directory(), " [output]"),
    ):
        files = Path(folder).rglob("*.safetensors") if Path(folder).is_dir() else []
        found += sorted(f.relative_to(folder).as_posix() + mark for f in files)
    return found


def annotated_path(name: str) -> Path | None:
    """The file that `idr_files` calls so, or None if there is none inside those folders."""
    plain, folder = folder_paths.annotated_filepath(name)
    folder = Path(folder or folder_paths.get_input_directory()).resolve()
    path = (folder / plain).resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None


# ---- what is shown in the node


def show_text(node: Any, text: str) -> None:
    """Shows a line of text in the node while the workflow is open."""
    node_id = getattr(getattr(node, "hidden", None), "unique_id", None)
    if node_id is None:
        return
    from server import PromptServer

    if PromptServer.instance is not None:
        PromptServer.instance.send_progress_text(text, node_id)


def to_image(picture: Any) -> Tensor:
    """A Pillow image as an IMAGE, (1, H, W, 3)."""
    import numpy as np

    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    return result(torch.from_numpy(pixels)[None])


def preview_images(images: Tensor, node: Any) -> Any:
    """Shows images in the node; None where the host has no user interface."""
    from comfy_api.latest import ui

    return ui.PreviewImage(images, cls=node) if hasattr(ui, "PreviewImage") else None
