"""The building blocks that an IDR steers (paper Sec. 3.2)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

LEAK = 0.1
"""Negative slope of every LeakyReLU in KDSR."""


def depthwise_conv(x: Tensor, kernels: Tensor) -> Tensor:
    """Convolves every channel with its own 3x3 kernel, zero-padded.

    Args:
        x: Features, (B, C, H, W).
        kernels: (1, C, 3, 3) for kernels that all samples share, or (B, C, 3, 3).

    Returns:
        Features, (B, C, H, W).
    """
    b, c = x.shape[:2]
    filters = rearrange(kernels, "b c kh kw -> (b c) 1 kh kw")
    if len(kernels) == 1:
        return F.conv2d(x, filters, padding=1, groups=c)
    y = F.conv2d(rearrange(x, "b c h w -> 1 (b c) h w"), filters, padding=1, groups=b * c)
    return rearrange(y, "1 (b c) h w -> b c h w", c=c)


class KernelPredictor(nn.Module):
    """Turns an IDR into one 3x3 depthwise kernel per sample and channel (IDR-DDC, Eq. 1)."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_feats, n_feats, bias=False)
        self.out = nn.Linear(n_feats, 9 * n_feats, bias=False)
        init_alive(self)
        with torch.no_grad():
            self.out.weight.mul_(1 / 3)

    def forward(self, idr: Tensor) -> Tensor:
        """Maps an IDR (B, C) to kernels (B, C, 3, 3)."""
        kernels = self.out(F.leaky_relu(self.hidden(idr), LEAK))
        return rearrange(kernels, "b (c kh kw) -> b c kh kw", kh=3, kw=3)


class IDRBlock(nn.Module):
    """IDR-DCRB: x + conv3x3(LReLU(depthwise(x, kernels(IDR)))) (paper Fig. 2)."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.predictor = KernelPredictor(n_feats)
        self.conv = nn.Conv2d(n_feats, n_feats, 3, padding=1)

    def forward(self, x: Tensor, kernels: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to the same, with kernels (1 or B, C, 3, 3) of `predictor`."""
        return x + self.conv(F.leaky_relu_(depthwise_conv(x, kernels), LEAK))


class ResBlock(nn.Module):
    """conv3x3 - LReLU - conv3x3 with a skip, as in the degradation estimator."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_feats, n_feats, 3, padding=1)
        self.conv2 = nn.Conv2d(n_feats, n_feats, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to features (B, C, H, W)."""
        return x + self.conv2(F.leaky_relu_(self.conv1(x), LEAK))


def init_alive(module: nn.Module) -> None:
    """Initialises an estimator or kernel predictor so that the IDR carries signal at once.

    Deviation: the official code keeps PyTorch's default, under which the estimator's output fades
    to a constant in short trainings. Kaiming (a = 0.1, zero biases) keeps the vector alive. Not
    for the SR network's residual convolutions, whose sum would explode.
    """
    for child in module.modules():
        # On `meta` there is nothing to fill, and the first try imports for seconds.
        if isinstance(child, (nn.Conv2d, nn.Linear)) and not child.weight.is_meta:
            nn.init.kaiming_normal_(child.weight, a=LEAK)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
