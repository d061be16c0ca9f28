"""ComfyUI's IMAGE and MASK, and what the library takes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..kdsr.errors import ImageError
from ..kdsr.estimation import visible
from ..kdsr.pixels import bleed


@dataclass(frozen=True)
class Picture:
    """A batch of images, colour and alpha apart; views of ComfyUI's tensor where possible."""

    lq: Tensor
    """RGB in [0, 1], (B, 3, H, W)."""
    alpha: Tensor | None
    """(B, 1, H, W), or None for opaque images."""

    @classmethod
    def of(cls, image: Tensor) -> "Picture":
        """Splits an IMAGE, (B, H, W, channels) with 1 to 4 channels.

        Hidden colours are replaced by those of visible neighbours, so that they steer nothing.

        Raises:
            ImageError: If it is empty or has other channels.
        """
        if image.ndim != 4 or image.shape[-1] not in (1, 2, 3, 4):
            raise ImageError(
                "expected an IMAGE of shape (batch, height, width, 3) or with 1, 2 or 4 channels, "
                f"got {tuple(image.shape)}"
            )
        if 0 in image.shape:
            raise ImageError(f"the image is empty: shape {tuple(image.shape)}")
        planes = image.movedim(-1, 1)
        colours = 3 if planes.shape[1] >= 3 else 1
        lq = planes[:, :colours].expand(-1, 3, -1, -1)
        if planes.shape[1] == colours:
            return cls(lq, None)
        alpha = planes[:, colours:]
        return cls(bleed(lq, alpha), alpha)

    def weights(self, mask: Tensor | None) -> Tensor | None:
        """Weights of pixels in an estimate: the mask, limited to visible pixels.

        Args:
            mask: MASK; see `fitted`.

        Raises:
            ImageError: If the mask selects nothing or there are too many.
        """
        seen = visible(self.alpha)
        if mask is None:
            return seen
        if not (mask > 0).any():
            raise ImageError(
                "the mask is empty: paint at least one pixel, or disconnect it. (Load Image gives "
                "an empty 64 x 64 mask for images without transparency.)"
            )
        mask = self.fitted(mask)
        if len(mask) not in (1, len(self.lq)):
            raise ImageError(
                f"got {len(mask)} masks for {len(self.lq)} images; give one each or one for all"
            )
        if seen is None:
            return mask
        both = mask.to(seen) * seen
        # If all selected pixels are hidden, the mask alone decides.
        hidden = ~(both > 0).flatten(1).any(1)
        return torch.where(hidden.reshape(-1, 1, 1, 1), mask.to(seen), both)

    def fitted(self, mask: Tensor) -> Tensor:
        """A MASK of any size, (B or 1, h, w) or (h, w), at the image's: (B or 1, 1, H, W)."""
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
        if mask.shape[-2:] == self.lq.shape[-2:]:
            return mask
        return F.interpolate(mask.float(), self.lq.shape[-2:], mode="bilinear", antialias=True)
