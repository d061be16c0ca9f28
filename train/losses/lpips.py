"""LPIPS (Zhang et al. 2018), version 0.1: a perceptual distance of images.

The user provides the weights files: torchvision's AlexNet or VGG16, and the LPIPS authors' linear
heads for it (`alex.pth`, `vgg.pth`). Nothing is downloaded.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr.errors import CheckpointError, ImageError
from train.losses.feature_networks import (
    ALEXNET,
    VGG16,
    Architecture,
    FeatureNetwork,
    recognised,
)
from train.losses.weights_files import read_state

_ROWS = {
    ALEXNET.name: ("conv1", "conv2", "conv3", "conv4", "conv5"),
    VGG16.name: ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
}
_SMALLEST = {ALEXNET.name: 31, VGG16.name: 16}  # px; smaller images vanish in the poolings


class LPIPS(nn.Module):
    """Perceptual distance of images, 0 for equal ones. Papers report the AlexNet variant.

    Args:
        network: State dict of torchvision's alexnet or vgg16.
        heads: State dict of the linear heads: `lin0.model.1.weight` ... `lin4.model.1.weight`.

    Raises:
        CheckpointError: If a tensor is missing or has another shape.
    """

    def __init__(self, network: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        super().__init__()
        architecture = recognised(network)
        architecture = architecture if architecture.name in _ROWS else ALEXNET
        self.features = FeatureNetwork(architecture, network)
        for i, (row, channels) in enumerate(_compared(architecture)):
            key, shape = f"lin{i}.model.1.weight", (1, channels, 1, 1)
            if key not in heads or tuple(heads[key].shape) != shape:
                raise CheckpointError(
                    f"expected the LPIPS heads for {architecture.name} with {key} of shape {shape}"
                )
            self.register_buffer(f"head_{row}", heads[key].float().flatten())

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.features.architecture.name

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Computes the distances of image pairs; gradients reach `sr` only.

        Args:
            sr: RGB images (B, 3, H, W) in [0, 1], at least 31 px per side (AlexNet) or 16 (VGG16).
            gt: Ground truths of the same shape.

        Returns:
            Distances (B,), float32.
        """
        smallest = _SMALLEST[self.network]
        if min(gt.shape[2:]) < smallest:
            raise ImageError(
                f"images of {gt.shape[3]}x{gt.shape[2]} px are too small for LPIPS; expected at "
                f"least {smallest} px a side"
            )
        with torch.no_grad():
            wanted = self.features(gt)
        made, distances = self.features(sr), []
        for row in _ROWS[self.network]:
            difference = (_unit(made[row]) - _unit(wanted[row])).square()
            # A sum instead of a matrix product, which autocast would round.
            distances.append((difference.mean((2, 3)) * self.get_buffer(f"head_{row}")).sum(1))
        return torch.stack(distances).sum(0)


def _compared(architecture: Architecture) -> list[tuple[str, int]]:
    """The compared rows of a network, with their channels."""
    widths = {row.name: row.convolutions[0][1] for row in architecture.rows}
    return [(row, widths[row]) for row in _ROWS[architecture.name]]


def _unit(features: Tensor) -> Tensor:
    """Applies a ReLU and scales every pixel's vector to length 1, in float32."""
    positive = F.relu(features).float()
    # The gradient of a square root is infinite at zero.
    return positive / ((positive.square().sum(1, keepdim=True) + 1e-20).sqrt() + 1e-10)


def load_lpips(network: Path, heads: Path) -> LPIPS:
    """Reads both weights files (.pth, .safetensors).

    Args:
        network: File of torchvision's AlexNet or VGG16.
        heads: File of the LPIPS authors' heads for that network.

    Raises:
        CheckpointError: If a file is missing, damaged or holds another network.
    """
    states = (read_state(path, "weights for LPIPS") for path in (network, heads))
    return LPIPS(*states)
