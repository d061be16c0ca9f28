"""The perceptual loss of the GAN stage: L1 between features of a classification network.

As published, the network is VGG19. Where its weights cannot be had, SqueezeNet v1.1 stands in; the
two losses are not comparable, and a run says which one it used (`PerceptualLoss.network`).
Weights are always files that the user names, never downloads.
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

# Index of each convolution in torchvision's `vgg19().features`; a gap of 3 holds a pooling.
_VGG19 = {
    "conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12,
    "conv3_3": 14, "conv3_4": 16, "conv4_1": 19, "conv4_2": 21, "conv4_3": 23, "conv4_4": 25,
    "conv5_1": 28, "conv5_2": 30, "conv5_3": 32, "conv5_4": 34,
}  # fmt: skip
VGG19_WEIGHTS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
"""Weight of each layer in the loss, as published."""

# Mean magnitude of the features of photographs, by which they are divided: this network takes
# 0-255 and has features of any size. Weights as for the VGG19 layers of the same depth.
_SQUEEZENET_LEVELS = {"conv1": 33.0, "fire3": 89.0, "fire5": 136.0, "fire7": 103.0, "fire9": 100.0}
_SQUEEZENET_WEIGHTS = {"conv1": 0.1, "fire3": 0.1, "fire5": 1.0, "fire7": 1.0, "fire9": 1.0}
_SQUEEZENET_POOLED = (2, 4, 6)  # fire modules that begin with a pooling


class PerceptualLoss(nn.Module):
    """Weighted L1 between the features, before their ReLU, of two images.

    Attributes:
        network: Name of the network, for logs and model cards.
    """

    network = ""
    weights: dict[str, float]

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Features by layer of RGB images (B, 3, H, W) in [0, 1]."""
        raise NotImplementedError

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

    def _convolution(
        self, name: str, weight: Tensor, bias: Tensor, stride: int = 1, padding: int = 0
    ) -> None:
        out_channels, in_channels, size, _ = weight.shape
        layer = nn.Conv2d(in_channels, out_channels, size, stride, padding)
        layer.load_state_dict({"weight": weight, "bias": bias})
        self.add_module(name, layer)


class VGG19Loss(PerceptualLoss):
    """With VGG19, as published.

    Args:
        state: State dict of torchvision's vgg19 (`features.N.weight`, `features.N.bias`).

    Raises:
        CheckpointError: If it is not VGG19's.
    """

    network = "VGG19"
    weights = VGG19_WEIGHTS

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        for name, index in _VGG19.items():
            weight, bias = (state.get(f"features.{index}.{kind}") for kind in ("weight", "bias"))
            channels = min(512, 64 << (int(name[4]) - 1))
            if weight is None or bias is None or weight.shape[0] != channels:
                raise CheckpointError(
                    f"expected torchvision's VGG19 with {channels} channels in features.{index} "
                    f"({name}), got {_shape(weight)}; VGG16 or a VGG with batch norm does not fit"
                )
            self._convolution(name, weight.float(), bias.float(), padding=1)
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), False)

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Features by layer; see the base class."""
        x, found = (images - self.get_buffer("mean")) / self.get_buffer("std"), {}
        for name, previous in zip(_VGG19, (None, *_VGG19), strict=False):
            if previous is not None:
                x = F.relu(x)
                if name[4] != previous[4]:
                    x = F.max_pool2d(x, 2)
            x = self.get_submodule(name)(x)
            if name in self.weights:
                found[name] = x
        return found


class SqueezeNetLoss(PerceptualLoss):
    """With SqueezeNet v1.1. Deviation: a fifteenth of VGG19's size, where that is not at hand.

    Args:
        arrays: Its Caffe weights by name: `conv1.weight`, `fire2/squeeze1x1.weight`, ... (OIHW).

    Raises:
        CheckpointError: If they are not SqueezeNet's.
    """

    network = "SqueezeNet v1.1"
    weights = _SQUEEZENET_WEIGHTS

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        super().__init__()
        names = ["conv1"] + [
            f"fire{i}/{part}"
            for i in range(2, 10)
            for part in ("squeeze1x1", "expand1x1", "expand3x3")
        ]
        missing = [n for n in names if f"{n}.weight" not in arrays or f"{n}.bias" not in arrays]
        if missing:
            raise CheckpointError(f"expected SqueezeNet v1.1 in Caffe's names; missing: {missing}")
        for name in names:
            stride, padding = (2, 0) if name == "conv1" else (1, int(name.endswith("3x3")))
            weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
            self._convolution(name.replace("/", "_"), weight, bias, stride, padding)
        self.requires_grad_(False)
        self.register_buffer(
            "mean", torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1), False
        )

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Features by layer, divided by their usual magnitude; see the base class."""
        x = self.get_submodule("conv1")(images.flip(1) * 255 - self.get_buffer("mean"))  # BGR
        found = {"conv1": x}
        for i in range(2, 10):
            x = F.relu(x)
            if i in _SQUEEZENET_POOLED:
                x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
            x = F.relu(self.get_submodule(f"fire{i}_squeeze1x1")(x))
            wide = [self.get_submodule(f"fire{i}_expand{size}")(x) for size in ("1x1", "3x3")]
            x = found[f"fire{i}"] = torch.cat(wide, dim=1)
        return {name: found[name] / level for name, level in _SQUEEZENET_LEVELS.items()}


def load_perceptual(path: Path) -> PerceptualLoss:
    """Reads the weights of VGG19 (.pth, .pt, .safetensors) or SqueezeNet v1.1 (.npz).

    Raises:
        CheckpointError: If the file is missing, damaged or of another network.
    """
    if not path.is_file():
        raise CheckpointError(f"expected weights for the perceptual loss at {path}: no such file")
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                return SqueezeNetLoss({key: torch.from_numpy(file[key]) for key in file.files})
        if path.suffix == ".safetensors":
            return VGG19Loss(load_file(path))
        return VGG19Loss(torch.load(path, map_location="cpu", weights_only=True))
    except (
        OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"{path} cannot be read as VGG19 (.pth, .safetensors) or SqueezeNet (.npz): {error}"
        ) from None


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else str(tuple(tensor.shape))
