"""Content that nodes display: a note, a picture."""

import logging
import sys
from typing import Any

import torch
from torch import Tensor

from .memory import result

_NOTE = "kdsr_note"
"""Key of a node's output, and name of the message, that `web/notes.js` shows."""


def note(text: str) -> dict[str, list[str]]:
    """The `ui` of a node that shows a note once it ran; it stays until the node runs again."""
    return {_NOTE: [text]}


def warn(node: Any, text: str) -> None:
    """Shows a note in the node at once, and in ComfyUI's log."""
    logging.warning("KDSR: %s", text)
    node_id = getattr(getattr(node, "hidden", None), "unique_id", None)
    prompt_server = getattr(sys.modules.get("server"), "PromptServer", None)
    running = getattr(prompt_server, "instance", None)
    if node_id is not None and running is not None:
        running.send_sync(_NOTE, {"node": node_id, "text": text})


def to_image(picture: Any) -> Tensor:
    """A Pillow image as an IMAGE, (1, H, W, 3)."""
    import numpy as np

    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    return result(torch.from_numpy(pixels)[None])


def preview_images(images: Tensor, node: Any) -> Any:
    """Shows images in the node; None where the host has no user interface."""
    from comfy_api.latest import ui

    return ui.PreviewImage(images, cls=node) if hasattr(ui, "PreviewImage") else None
