"""DISTS (Ding et al. 2020): a distance of structure and texture that tolerates resampled texture.

The user provides both weights files: torchvision's VGG16, and the DISTS authors' `alpha` and
`beta`. Nothing is downloaded.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr.errors import CheckpointError, ImageError
from train.losses.feature_networks import VGG16_SOFT, FeatureNetwork
from train.losses.weights_files import read_state

_ROWS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
_CHANNELS = (3, 64, 128, 256, 512, 512)  # channels of the image and of these rows
_TINY = 1e-6
_SMALLEST = 16


class DISTS(nn.Module):
    """Distance of images by means and correlations of VGG16 features; 0 for equal images.

    Args:
        vgg16: State dict of torchvision's vgg16.
        weights: `alpha` for the means and `beta` for the correlations, 1,475 numbers each.

    Raises:
        CheckpointError: If a tensor is missing or has another shape.
    """

    def __init__(self, vgg16: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.features = FeatureNetwork(VGG16_SOFT, vgg16)
        wrong = [
            name
            for name in ("alpha", "beta")
            if name not in weights or weights[name].numel() != sum(_CHANNELS)
        ]
        if wrong:
            raise CheckpointError(
                f"expected DISTS weights with {sum(_CHANNELS)} numbers each for alpha and beta; "
                f"missing or of another size: {' and '.join(wrong)}"
            )
        total = weights["alpha"].float().sum() + weights["beta"].float().sum()
        for name in ("alpha", "beta"):
            self.register_buffer(name, weights[name].float().flatten() / total)

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.features.architecture.name

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Computes the distances of image pairs; gradients reach `sr` only.

        Args:
            sr: RGB images (B, 3, H, W) in [0, 1], at least 16 px per side.
            gt: Ground truths of the same shape.

        Returns:
            Distances (B,), float32, 0 to 1.
        """
        if min(gt.shape[2:]) < _SMALLEST:
            raise ImageError(
                f"images of {gt.shape[3]}x{gt.shape[2]} px are too small for DISTS; expected at "
                f"least {_SMALLEST} px a side"
            )
        with torch.no_grad():
            wanted = self._maps(gt)
        compared = [_alike(*maps) for maps in zip(self._maps(sr), wanted, strict=True)]
        means, correlations = (torch.cat(parts, 1) for parts in zip(*compared, strict=True))
        # Sums instead of matrix products, which autocast would round.
        alike = means * self.get_buffer("alpha") + correlations * self.get_buffer("beta")
        return 1 - alike.sum(1)

    def _maps(self, images: Tensor) -> list[Tensor]:
        """The images themselves and the features of every block, in float32."""
        features = self.features(images)
        return [images.float(), *(F.relu(features[row]).float() for row in _ROWS)]


def _alike(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Similarity of means and of correlations of two maps (B, C, H, W): (B, C) each, at most 1."""
    mean_a, mean_b = a.mean((2, 3), keepdim=True), b.mean((2, 3), keepdim=True)
    one, other = a - mean_a, b - mean_b
    together = (one * other).mean((2, 3))
    apart = one.square().mean((2, 3)) + other.square().mean((2, 3))
    mean_a, mean_b = mean_a.flatten(1), mean_b.flatten(1)
    level = (2 * mean_a * mean_b + _TINY) / (mean_a.square() + mean_b.square() + _TINY)
    return level, (2 * together + _TINY) / (apart + _TINY)


def load_dists(vgg16: Path, weights: Path) -> DISTS:
    """Reads both weights files (.pth, .safetensors).

    Args:
        vgg16: File of torchvision's VGG16.
        weights: File of the DISTS authors' weights.

    Raises:
        CheckpointError: If a file is missing, damaged or holds another network.
    """
    states = (read_state(path, "weights for DISTS") for path in (vgg16, weights))
    return DISTS(*states)
