"""KD-IDE, the implicit degradation estimator (paper Sec. 3.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import LEAK, ResBlock, init_alive


class DegradationEstimator(nn.Module):
    """Estimates one vector for how an image was degraded.

    The features are averaged over the image before the MLP, so the estimate of a large image can
    be streamed: sum `features` over tiles, divide by the pixel count, then `from_pooled`.

    Args:
        in_channels: 3 for the student (LQ alone); 3 + 3 * scale**2 for the teacher, which also
            sees the ground truth through a pixel-unshuffle.
        n_feats: Feature channels C.
        n_resblocks: Residual blocks.
    """

    def __init__(self, in_channels: int, n_feats: int, n_resblocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(in_channels, n_feats, 3, padding=1)
        self.blocks = nn.Sequential(*(ResBlock(n_feats) for _ in range(n_resblocks)))
        self.widen = nn.ModuleList(
            nn.Conv2d(n_feats * c_in, n_feats * c_out, 3, padding=1)
            for c_in, c_out in ((1, 2), (2, 2), (2, 4))
        )
        self.mlp = nn.ModuleList(nn.Linear(4 * n_feats, 4 * n_feats) for _ in range(2))
        self.compress = nn.Linear(4 * n_feats, n_feats)
        init_alive(self)
        with torch.no_grad():
            for block in self.blocks:  # or the sum over the blocks would grow exponentially
                block.get_submodule("conv2").get_parameter("weight").mul_(0.1)

    @property
    def halo(self) -> int:
        """LQ pixels of context that one feature sees on each side: one for every convolution."""
        return 1 + 2 * len(self.blocks) + len(self.widen)

    def features(self, x: Tensor) -> Tensor:
        """Features before pooling: (B, in_channels, H, W) -> (B, 4C, H, W)."""
        x = self.blocks(F.leaky_relu_(self.head(x), LEAK))
        for conv in self.widen:
            x = F.leaky_relu_(conv(x), LEAK)
        return x

    def from_pooled(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Features averaged over the image (B, 4C) -> (idr (B, C), idr_full (B, 4C))."""
        idr_full = pooled
        for linear in self.mlp:
            idr_full = F.leaky_relu(linear(idr_full), LEAK)
        return self.compress_idr(idr_full), idr_full

    def compress_idr(self, idr_full: Tensor) -> Tensor:
        """The last layer alone: D' (B, 4C), the distilled vector, -> D (B, C)."""
        return F.leaky_relu(self.compress(idr_full), LEAK)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps images (B, in_channels, H, W) to (idr (B, C), idr_full (B, 4C))."""
        return self.from_pooled(self.features(x).mean((2, 3)))
