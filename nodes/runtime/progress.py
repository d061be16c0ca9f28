"""The progress bar of a node, over all parts of its work, and interruption."""

import time
from collections.abc import Callable

import comfy.model_management as mm
import comfy.utils
from torch import Tensor

from ...kdsr.pixels import to_bytes

_STEPS = 1000
_PREPARED = 10
"""Steps shown at once: a bar that stands at 0 is not drawn."""
_PREVIEW_SIDE = 512
_PREVIEW_SECONDS = 0.5

PreviewFn = Callable[[], Tensor | None]
"""Gives a small picture, (H, W, 3) in [0, 1], of how far the result has come, if there is one."""


def cancelled() -> bool:
    """Callback for `kdsr`'s `cancelled`; raises ComfyUI's own exception."""
    mm.throw_exception_if_processing_interrupted()
    return False


class Progress:
    """The bar of one run of a node. It shows from the start and fills once.

    Args:
        cost: Total cost of the work, in any unit.
    """

    def __init__(self, cost: float) -> None:
        self._cost, self._begun = cost, 0.0
        self._bar = comfy.utils.ProgressBar(_STEPS)
        self._bar.update_absolute(_PREPARED, _STEPS)
        self._shown = time.monotonic()

    def part(
        self, cost: float | None = None, preview: PreviewFn | None = None
    ) -> Callable[[int, int], None]:
        """Begins the next part of the work.

        Args:
            cost: Cost of this part; by default all that remains.
            preview: Asked twice a second at most.

        Returns:
            For `kdsr`'s `progress`.
        """
        before = self._begun
        cost = self._cost - before if cost is None else cost
        self._begun = min(self._cost, before + cost)

        def progress(done: int, total: int) -> None:
            share = (before + cost * done / total) / self._cost
            step = _PREPARED + round((_STEPS - _PREPARED) * share)
            self._bar.update_absolute(step, _STEPS, self._picture(preview))

        return progress

    def _picture(self, preview: PreviewFn | None):
        """A preview for ComfyUI, or None if the last one is too recent."""
        if preview is None or time.monotonic() - self._shown <= _PREVIEW_SECONDS:
            return None
        picture = preview()
        if picture is None:
            return None
        self._shown = time.monotonic()
        return ("JPEG", _to_pil(picture), _PREVIEW_SIDE)


def _to_pil(picture: Tensor):
    from PIL import Image

    return Image.fromarray(to_bytes(picture.float()).numpy())
