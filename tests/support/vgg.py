"""VGGs with random weights in torchvision's format, and the same layer by layer."""

import torch
from torch import Tensor, nn

_DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def vgg_state(name: str = "vgg19", seed: int = 0) -> dict[str, Tensor]:
    """Random weights, with a classifier that must be ignored."""
    rng = torch.Generator().manual_seed(seed)
    state, n_in, index = {"classifier.0.weight": torch.zeros(1)}, 3, 0
    for width, depth in zip((64, 128, 256, 512, 512), _DEPTHS[name], strict=True):
        for _ in range(depth):
            weight = torch.randn(width, n_in, 3, 3, generator=rng) * (2 / (9 * n_in)) ** 0.5
            state[f"features.{index}.weight"], n_in = weight, width
            state[f"features.{index}.bias"] = torch.randn(width, generator=rng) * 0.1
            index += 2
        index += 1
    return state


def plain_vgg(state: dict[str, Tensor]) -> nn.Sequential:
    """`vgg16().features` or `vgg19().features`, up to the last convolution."""
    keys = [int(key.split(".")[1]) for key in state if key.startswith("features")]
    layers: list[nn.Module] = []
    for index in range(max(keys) + 1):
        if index in keys:
            n_out, n_in = state[f"features.{index}.weight"].shape[:2]
            layers.append(nn.Conv2d(n_in, n_out, 3, padding=1))
        else:
            layers.append(nn.ReLU() if index - 1 in keys else nn.MaxPool2d(2))
    network = nn.Sequential(*layers)
    network.load_state_dict({k[9:]: v for k, v in state.items() if k.startswith("features")})
    return network.requires_grad_(False)
