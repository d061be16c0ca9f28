"""The perceptual loss of the GAN stage: L1 between features of a classification network.

The published network is VGG19. VGG16 and SqueezeNet v1.1, a fifteenth of its size, can replace it.
Their losses are not comparable; the log names the network.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr.errors import CheckpointError
from train.losses.feature_networks import (
    ALEXNET,
    SQUEEZENET,
    VGG19,
    Architecture,
    FeatureNetwork,
    recognised,
)
from train.losses.weights_files import read_state

VGG19_WEIGHTS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
"""Weight of each layer in the loss, as published."""
_VGG16_WEIGHTS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_3": 1.0, "conv4_3": 1.0, "conv5_3": 1.0}
"""Weights for the last layer of each block, as with VGG19."""
# Mean magnitudes of the features of photographs. Features are divided by them, as this network
# takes 0-255 and has features of any magnitude. Weights are those of equally deep VGG19 layers.
_SQUEEZENET_LEVELS = {"conv1": 33.0, "fire3": 89.0, "fire5": 136.0, "fire7": 103.0, "fire9": 100.0}
_SQUEEZENET_WEIGHTS = {
    name: weight / _SQUEEZENET_LEVELS[name]
    for name, weight in zip(_SQUEEZENET_LEVELS, VGG19_WEIGHTS.values(), strict=True)
}
_WEIGHTS = {"VGG19": VGG19_WEIGHTS, "VGG16": _VGG16_WEIGHTS, "SqueezeNet v1.1": _SQUEEZENET_WEIGHTS}


class PerceptualLoss(nn.Module):
    """Weighted L1 between the features of images, before their ReLU.

    Args:
        architecture: `VGG19`, `VGG16` or `SQUEEZENET`. Deviation: the latter two are not published.
        state: Weights of the network.

    Raises:
        CheckpointError: If the weights belong to another network.
    """

    def __init__(self, architecture: Architecture, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.features = FeatureNetwork(architecture, state)
        self.weights = _WEIGHTS[architecture.name]

    @property
    def network(self) -> str:
        """Name of the network, for logs and model cards."""
        return self.features.architecture.name

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Computes the loss, a scalar; gradients reach `sr` only.

        Args:
            sr: RGB images (B, 3, H, W) in [0, 1], at least 32 px per side.
            gt: Ground truths of the same shape.
        """
        with torch.no_grad():
            targets = self.features(gt)
        made = self.features(sr)
        losses = [
            weight * F.l1_loss(made[name].float(), targets[name].float())
            for name, weight in self.weights.items()
        ]
        return torch.stack(losses).sum()


def load_perceptual(path: Path) -> PerceptualLoss:
    """Reads torchvision's VGG19 or VGG16 (.pth, .pt, .safetensors), or Caffe's SqueezeNet (.npz).

    Raises:
        CheckpointError: If the file is missing, damaged or holds another network.
    """
    what = "weights for the perceptual loss: VGG19, VGG16 (.pth, .safetensors) or SqueezeNet (.npz)"
    state = read_state(path, what)
    network = SQUEEZENET if path.suffix == ".npz" else recognised(state)
    try:
        return PerceptualLoss(VGG19 if network is ALEXNET else network, state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}; a VGG with batch norm does not fit") from None
