"""Everything this pack asks of ComfyUI, so that a change in ComfyUI has one place to be answered.

Nothing else in `nodes/` imports `comfy`, `folder_paths` or `server`.
"""

from .folders import (
    extend_stock_loader,
    idr_files,
    idr_path,
    model_files,
    model_folders,
    model_path,
    new_output_path,
    new_temp_path,
    register_model_folder,
    upscale_model_folder,
)
from .memory import (
    empty_result,
    estimating_memory,
    free_memory,
    has_cuda,
    manage,
    patcher,
    ready,
    result,
    result_dtype,
    upscaling_memory,
)
from .progress import Progress, cancelled
from .shown import note, preview_images, to_image, warn

__all__ = [
    "Progress",
    "cancelled",
    "empty_result",
    "estimating_memory",
    "extend_stock_loader",
    "free_memory",
    "has_cuda",
    "idr_files",
    "idr_path",
    "manage",
    "model_files",
    "model_folders",
    "model_path",
    "new_output_path",
    "new_temp_path",
    "note",
    "patcher",
    "preview_images",
    "ready",
    "register_model_folder",
    "result",
    "result_dtype",
    "to_image",
    "upscale_model_folder",
    "upscaling_memory",
    "warn",
]
