"""What of an image can be seen: the one rule for how much its pixels count in an estimate."""

import torch
from torch import Tensor


def visible(alpha: Tensor | None) -> Tensor | None:
    """Weights for `mask`: the opacity of each pixel; all pixels of an image that is hidden whole.

    Args:
        alpha: (B, 1, H, W) in [0, 1], or None.

    Returns:
        (B, 1, H, W); None where every pixel counts the same.
    """
    if alpha is None or bool((alpha >= 1).all()):
        return None
    hidden = ~(alpha > 0).flatten(1).any(1)
    return torch.where(hidden.reshape(-1, 1, 1, 1), 1.0, alpha)
