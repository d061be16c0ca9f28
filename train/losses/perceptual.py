"""The perceptual loss of the GAN stage: L1 between features of a classification network.

As published, the network is VGG19. Where its weights cannot be had, SqueezeNet v1.1, a fifteenth of
its size, stands in; the two losses are not comparable, and a run says which one it used.
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from kdsr.errors import CheckpointError
from train.losses.feature_networks import SQUEEZENET, VGG19, Architecture, FeatureNetwork

VGG19_WEIGHTS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
"""Weight of each layer in the loss, as published."""
# Mean magnitude of the features of photographs, by which they are divided: this network takes
# 0-255 and has features of any size. Weights as for the VGG19 layers of the same depth.
_SQUEEZENET_LEVELS = {"conv1": 33.0, "fire3": 89.0, "fire5": 136.0, "fire7": 103.0, "fire9": 100.0}
_SQUEEZENET_WEIGHTS = {"conv1": 0.1, "fire3": 0.1, "fire5": 1.0, "fire7": 1.0, "fire9": 1.0}


class PerceptualLoss(nn.Module):
    """Weighted L1 between the features, before their ReLU, of two images.

    Args:
        architecture: `VGG19`, or `SQUEEZENET`. Deviation: the latter is not published.
        state: Its weights.

    Raises:
        CheckpointError: If they are another network's.
    """

    def __init__(self, architecture: Architecture, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.features = FeatureNetwork(architecture, state)
        published = architecture is VGG19
        levels = dict.fromkeys(VGG19_WEIGHTS, 1.0) if published else _SQUEEZENET_LEVELS
        weights = VGG19_WEIGHTS if published else _SQUEEZENET_WEIGHTS
        self.weights = {name: weight / levels[name] for name, weight in weights.items()}

    @property
    def network(self) -> str:
        """Name of the network, for logs and model cards."""
        return self.features.architecture.name

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """The loss; gradients reach `sr` only.

        Args:
            sr: RGB in [0, 1], (B, 3, H, W), at least 32 px a side.
            gt: The same shape.
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
    """Reads torchvision's VGG19 (.pth, .pt, .safetensors), or Caffe's SqueezeNet v1.1 (.npz).

    Raises:
        CheckpointError: If the file is missing, damaged or of another network.
    """
    if not path.is_file():
        raise CheckpointError(f"expected weights for the perceptual loss at {path}: no such file")
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                arrays = {key: torch.from_numpy(file[key]) for key in file.files}
            return PerceptualLoss(SQUEEZENET, arrays)
        if path.suffix == ".safetensors":
            return PerceptualLoss(VGG19, load_file(path))
        return PerceptualLoss(VGG19, torch.load(path, map_location="cpu", weights_only=True))
    except (
        OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"{path} cannot be read as VGG19 (.pth, .safetensors) or SqueezeNet (.npz): {error}"
        ) from None
    except CheckpointError as error:
        raise CheckpointError(
            f"{path}: {error}; VGG16 or a VGG with batch norm does not fit"
        ) from None
