"""LPIPS (Zhang et al. 2018), version 0.1: how far apart two images are to the eye.

All weights are the user's files: torchvision's AlexNet or VGG16, and the linear heads of the LPIPS
authors for it (`alex.pth`, `vgg.pth`). Nothing is downloaded.
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
_SMALLEST = {ALEXNET.name: 31, VGG16.name: 16}  # px; less leaves nothing after the poolings


class LPIPS(nn.Module):
    """Perceptual distance of two images: 0 for equal ones. Papers report that of AlexNet.

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
        """Distances of image pairs; gradients reach `sr` only.

        Args:
            sr: RGB in [0, 1], (B, 3, H, W), at least 31 px a side with AlexNet, 16 with VGG16.
            gt: The same shape.

        Returns:
            (B,), float32.
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
            # No product of matrices: autocast would round it.
            distances.append((difference.mean((2, 3)) * self.get_buffer(f"head_{row}")).sum(1))
        return torch.stack(distances).sum(0)


def _compared(architecture: Architecture) -> list[tuple[str, int]]:
    """The rows whose features are compared, and their channels."""
    widths = {row.name: row.convolutions[0][1] for row in architecture.rows}
    return [(row, widths[row]) for row in _ROWS[architecture.name]]


def _unit(features: Tensor) -> Tensor:
    """After the ReLU, every pixel's vector at length 1, in float32."""
    positive = F.relu(features).float()
    # The root of exactly zero has no gradient that can be computed with.
    return positive / ((positive.square().sum(1, keepdim=True) + 1e-20).sqrt() + 1e-10)


def load_lpips(network: Path, heads: Path) -> LPIPS:
    """Reads both weights files (.pth, .safetensors).

    Args:
        network: Torchvision's AlexNet or VGG16.
        heads: Of the LPIPS authors, for that network.

    Raises:
        CheckpointError: If one is missing, damaged or of another network.
    """
    states = (read_state(path, "weights for LPIPS") for path in (network, heads))
    return LPIPS(*states)
