"""Classification networks for perceptual losses, as tables of convolutions.

The tables cover the parts of VGG19, VGG16, AlexNet and SqueezeNet v1.1 that the losses need.
torchvision has these networks too, but pins PyTorch. The user provides the weights files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr.errors import CheckpointError


@dataclass(frozen=True)
class Row:
    """One step of a network: [ReLU - pooling -] parallel convolutions, concatenated.

    Attributes:
        name: Name of the resulting features, which are those before the next ReLU.
        convolutions: (name in the weights file, out channels, kernel size, stride, padding) each.
        pool: Window side of the preceding pooling, which has stride 2; 0 for none.
    """

    name: str
    convolutions: tuple[tuple[str, int, int, int, int], ...]
    pool: int = 0


@dataclass(frozen=True)
class Architecture:
    """A network up to its last needed convolution.

    Attributes:
        name: Name for people.
        rows: Steps in order, with a ReLU between any two.
        mean: Mean that is subtracted from RGB in [0, 1].
        std: Standard deviation that the difference is divided by.
        ceil: Whether poolings keep windows that exceed the edge.
        blue_first: Whether the network takes BGR.
        soft: Whether poolings are roots of blurred squares, as in DISTS, and not maxima.
    """

    name: str
    rows: tuple[Row, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    ceil: bool = False
    blue_first: bool = False
    soft: bool = False


def _vgg(name: str, depths: tuple[int, ...]) -> Architecture:
    rows, index = [], 0
    for block, depth in enumerate(depths, 1):
        for i in range(1, depth + 1):
            pool = 2 if block > 1 and i == 1 else 0
            channels = min(512, 32 << block)
            file_name = f"features.{index}"
            rows.append(Row(f"conv{block}_{i}", ((file_name, channels, 3, 1, 1),), pool))
            index += 2  # the ReLU has a number of its own
        index += 1  # the pooling has one, too
    return Architecture(name, tuple(rows), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _squeezenet() -> Architecture:
    rows = [Row("conv1", (("conv1", 64, 3, 2, 0),))]
    for i, width in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        pool = 3 if i in (2, 4, 6) else 0
        rows.append(Row(f"squeeze{i}", ((f"fire{i}/squeeze1x1", width, 1, 1, 0),), pool))
        expand = (
            (f"fire{i}/expand1x1", 4 * width, 1, 1, 0),
            (f"fire{i}/expand3x3", 4 * width, 3, 1, 1),
        )
        rows.append(Row(f"fire{i}", expand))
    blue, green, red = (mean / 255 for mean in (103.939, 116.779, 123.68))
    std = (1 / 255, 1 / 255, 1 / 255)
    return Architecture(
        "SqueezeNet v1.1", tuple(rows), (blue, green, red), std, ceil=True, blue_first=True
    )


VGG16 = _vgg("VGG16", (2, 2, 3, 3, 3))
VGG16_SOFT = replace(VGG16, soft=True)
VGG19 = _vgg("VGG19", (2, 2, 4, 4, 4))
SQUEEZENET = _squeezenet()
ALEXNET = Architecture(
    "AlexNet",
    (
        Row("conv1", (("features.0", 64, 11, 4, 2),)),
        Row("conv2", (("features.3", 192, 5, 1, 2),), pool=3),
        Row("conv3", (("features.6", 384, 3, 1, 1),), pool=3),
        Row("conv4", (("features.8", 256, 3, 1, 1),)),
        Row("conv5", (("features.10", 256, 3, 1, 1),)),
    ),
    # LPIPS scales its input as 2x - 1, then (. - shift) / scale.
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


class FeatureNetwork(nn.Module):
    """A frozen network that computes features of RGB images.

    Args:
        architecture: Table of the network.
        state: Weights: `NAME.weight` (OIHW) and `NAME.bias` for every convolution; other entries
            are ignored.

    Raises:
        CheckpointError: If a tensor is missing or has another shape.
    """

    def __init__(self, architecture: Architecture, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.architecture = architecture
        self.convolutions = nn.ModuleDict()
        wrong, n_in = [], 3
        for row in architecture.rows:
            for key, n_out, size, stride, padding in row.convolutions:
                layer = nn.Conv2d(n_in, n_out, size, stride, padding)
                wrong += _fill(layer, key, row.name, state)
                self.convolutions[key.replace(".", "_")] = layer
            n_in = sum(n_out for _, n_out, *_ in row.convolutions)
        if wrong:
            raise CheckpointError(
                f"expected the weights of {architecture.name}, but {'; '.join(wrong[:4])}"
            )
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(architecture.mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor(architecture.std).view(1, 3, 1, 1), False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Computes the features before their ReLU, by row.

        Args:
            images: RGB images (B, 3, H, W) in [0, 1].
        """
        x = images.flip(1) if self.architecture.blue_first else images
        x = (x - self.get_buffer("mean")) / self.get_buffer("std")
        found: dict[str, Tensor] = {}
        for row in self.architecture.rows:
            if found:
                x = F.relu(x)
            if row.pool and self.architecture.soft:
                x = _soft_pool(x)
            elif row.pool:
                x = F.max_pool2d(x, row.pool, stride=2, ceil_mode=self.architecture.ceil)
            layers = (self.convolutions[key.replace(".", "_")] for key, *_ in row.convolutions)
            x = found[row.name] = torch.cat([layer(x) for layer in layers], dim=1)
        return found


def recognised(state: Mapping[str, Tensor]) -> Architecture:
    """Recognises the network of some weights by names and shapes."""
    if "fire2/squeeze1x1.weight" in state:
        return SQUEEZENET
    first = state.get("features.0.weight")
    if first is not None and first.shape[-1] == ALEXNET.rows[0].convolutions[0][2]:
        return ALEXNET
    return VGG16 if "features.17.weight" in state else VGG19


def _soft_pool(x: Tensor) -> Tensor:
    """Halves the size without aliasing: roots of squares blurred by a Hann window of 3 px."""
    taps = x.new_tensor((0.25, 0.5, 0.25))
    window = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
    squares = F.conv2d(x.square(), window, stride=2, padding=1, groups=x.shape[1])
    return (squares + 1e-12).sqrt()


def _fill(layer: nn.Conv2d, key: str, name: str, state: Mapping[str, Tensor]) -> list[str]:
    """Copies weights into a convolution; returns a description of those that do not fit."""
    problems = []
    for part, parameter in layer.named_parameters():
        tensor = state.get(f"{key}.{part}")
        if tensor is None or tensor.shape != parameter.shape:
            got = "missing" if tensor is None else f"{tuple(tensor.shape)}"
            expected = tuple(parameter.shape)
            problems.append(f"{key}.{part} ({name}) is {got}, expected {expected}")
        else:
            parameter.data.copy_(tensor)
    return problems
