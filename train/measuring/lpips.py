"""LPIPS (Zhang et al. 2018), version 0.1 with AlexNet, as the papers on real photographs report it.

Both weights files are the user's: torchvision's AlexNet and the linear heads of the LPIPS
authors (`alex.pth`). Nothing is downloaded.
"""

import pickle
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr.errors import CheckpointError, ImageError
from kdsr.pixels import on_grid
from train.losses.feature_networks import ALEXNET, FeatureNetwork

_SMALLEST = 31  # px; less leaves nothing after the poolings


class LPIPS(nn.Module):
    """Perceptual distance of two images: 0 for equal ones.

    Args:
        alexnet: State dict of torchvision's alexnet.
        heads: State dict of the linear heads: `lin0.model.1.weight` ... `lin4.model.1.weight`.

    Raises:
        CheckpointError: If a tensor is missing or has another shape.
    """

    def __init__(self, alexnet: dict[str, Tensor], heads: dict[str, Tensor]) -> None:
        super().__init__()
        self.features = FeatureNetwork(ALEXNET, alexnet)
        for i, row in enumerate(ALEXNET.rows):
            key, shape = f"lin{i}.model.1.weight", (1, row.convolutions[0][1], 1, 1)
            if key not in heads or tuple(heads[key].shape) != shape:
                raise CheckpointError(
                    f"expected the LPIPS heads for AlexNet (alex.pth) with {key} of shape {shape}"
                )
            self.register_buffer(f"head_{row.name}", heads[key].float())

    @torch.no_grad()
    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Distances of image pairs, rounded to 8 bit first.

        Args:
            sr: RGB in [0, 1], (B, 3, H, W), at least 31 px a side.
            gt: The same shape.

        Returns:
            (B,), float32.
        """
        if min(gt.shape[2:]) < _SMALLEST:
            raise ImageError(
                f"images of {gt.shape[3]}x{gt.shape[2]} px are too small for LPIPS; expected at "
                f"least {_SMALLEST} px a side"
            )
        made, wanted = (self.features(_rounded(images)) for images in (sr, gt))
        distance = gt.new_zeros(len(gt), dtype=torch.float32)
        for name, features in made.items():
            difference = (_unit(F.relu(features)) - _unit(F.relu(wanted[name]))).square()
            weighted = F.conv2d(difference, self.get_buffer(f"head_{name}"))
            distance = distance + weighted.mean((1, 2, 3))
        return distance


def _rounded(images: Tensor) -> Tensor:
    return on_grid(images.float())


def _unit(features: Tensor) -> Tensor:
    """Every pixel's vector at length 1."""
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def load_lpips(alexnet: Path, heads: Path) -> LPIPS:
    """Reads both weights files (.pth).

    Raises:
        CheckpointError: If one is missing, damaged or of another network.
    """
    states = []
    for path in (alexnet, heads):
        if not path.is_file():
            raise CheckpointError(f"expected weights for LPIPS at {path}: no such file")
        try:
            states.append(torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{path} cannot be read as PyTorch weights: {error}") from None
    return LPIPS(*states)
