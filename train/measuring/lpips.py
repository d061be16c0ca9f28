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

# Convolutions of torchvision's `alexnet().features`: index, shape, stride, padding.
_LAYERS = (
    (0, (64, 3, 11, 11), 4, 2),
    (3, (192, 64, 5, 5), 1, 2),
    (6, (384, 192, 3, 3), 1, 1),
    (8, (256, 384, 3, 3), 1, 1),
    (10, (256, 256, 3, 3), 1, 1),
)
_POOLED = (3, 6)  # layers that begin with a pooling
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
        wanted = {}
        for i, (index, shape, _, _) in enumerate(_LAYERS):
            wanted[f"weight{index}"] = alexnet.get(f"features.{index}.weight"), shape
            wanted[f"bias{index}"] = alexnet.get(f"features.{index}.bias"), shape[:1]
            wanted[f"head{index}"] = heads.get(f"lin{i}.model.1.weight"), (1, shape[0], 1, 1)
        wrong = [
            f"{name} is {'missing' if tensor is None else tuple(tensor.shape)}, expected {shape}"
            for name, (tensor, shape) in wanted.items()
            if tensor is None or tuple(tensor.shape) != shape
        ]
        if wrong:
            raise CheckpointError(
                "expected torchvision's AlexNet and the LPIPS heads for it (alex.pth), in this "
                f"order: {'; '.join(wrong)}"
            )
        for name, (tensor, _) in wanted.items():
            assert tensor is not None
            self.register_buffer(name, tensor.float())
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

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
        distance = gt.new_zeros(len(gt), dtype=torch.float32)
        for index, made, wanted in zip(
            (layer[0] for layer in _LAYERS), self._features(sr), self._features(gt), strict=True
        ):
            difference = (_unit(made) - _unit(wanted)).square()
            weighted = F.conv2d(difference, self.get_buffer(f"head{index}"))
            distance = distance + weighted.mean((1, 2, 3))
        return distance

    def _features(self, images: Tensor) -> list[Tensor]:
        x = (images.float() * 255).round().clamp(0, 255) / 127.5 - 1
        x, found = (x - self.get_buffer("shift")) / self.get_buffer("scale"), []
        for index, _, stride, padding in _LAYERS:
            if index in _POOLED:
                x = F.max_pool2d(x, 3, stride=2)
            weight, bias = self.get_buffer(f"weight{index}"), self.get_buffer(f"bias{index}")
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            found.append(x)
        return found


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
