"""What a node shows of itself: a line of text, a picture."""

import logging
from typing import Any

import torch
from torch import Tensor

from .memory import result


def show_text(node: Any, text: str) -> None:
    """Shows a line of text in the node while the workflow is open."""
    node_id = getattr(getattr(node, "hidden", None), "unique_id", None)
    if node_id is None:
        return
    from server import PromptServer

    if PromptServer.instance is not None:
        PromptServer.instance.send_progress_text(text, node_id)


def warn(node: Any, text: str) -> None:
    """Shows a warning in the node and in ComfyUI's log."""
    logging.warning("KDSR: %s", text)
    show_text(node, text)


def to_image(picture: Any) -> Tensor:
    """A Pillow image as an IMAGE, (1, H, W, 3)."""
    import numpy as np

    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    return result(torch.from_numpy(pixels)[None])


def preview_images(images: Tensor, node: Any) -> Any:
    """Shows images in the node; None where the host has no user interface."""
    from comfy_api.latest import ui

    return ui.PreviewImage(images, cls=node) if hasattr(ui, "PreviewImage") else None
