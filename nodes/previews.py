"""Previews of a growing result in the progress bar."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .images import Picture

_SIDE = 512
_PROBE = 8


class Preview:
    """A small picture of the last image that was begun; what is not done shows the input.

    Args:
        picture: Picture to upscale.
        out: (B, H, W, channels), zero where nothing was written yet.
    """

    def __init__(self, picture: Picture, out: Tensor) -> None:
        self._lq = picture.lq
        self.watch(0, out.movedim(-1, 1)[:, :3])

    def watch(self, first: int, growing: Tensor) -> None:
        """Looks elsewhere from now on.

        Args:
            first: Index of the first image in it.
            growing: (n, 3, H', W'), zero where nothing was written yet.
        """
        self._first, self._current = first, 0
        self._growing = growing.movedim(1, -1)

    def __call__(self) -> Tensor:
        """(h, w, 3) in [0, 1]."""
        growing = self._growing
        while self._current + 1 < len(growing) and thin(growing[self._current + 1], _PROBE).any():
            self._current += 1
        done = thin(growing[self._current]).float()
        index = self._first + self._current
        lq = self._lq[index : index + 1].float().cpu()
        waiting = F.interpolate(lq, done.shape[:2], mode="nearest")[0].movedim(0, -1)
        return torch.where(done.amax(-1, keepdim=True) > 0, done, waiting)


def thin(image: Tensor, side: int = _SIDE) -> Tensor:
    """A view of at most about twice `side` pixels a side; (H, W, channels)."""
    step = max(1, max(image.shape[:2]) // side)
    return image[::step, ::step]
