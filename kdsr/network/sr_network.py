"""The SR network that an IDR steers (paper Sec. 3.2, Fig. 2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .config import KDSRConfig
from .layers import IDRBlock
from .tail import Tail, compose, run_composed

RGB_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean colour of DIV2K, subtracted from the input and added to the output; std is 1."""


def halo(n_blocks: int, tail: Tail) -> int:
    """LQ pixels that an output pixel sees on each side: one for every 3x3 convolution at LQ size.

    They are the head, two a block, and the one that closes the body; then comes the tail's reach.
    """
    return 1 + 2 * n_blocks + 1 + tail.reach


class SRNetwork(nn.Module):
    """Maps an LQ image and its IDR to the SR image.

    `forward` is the official computation, layer by layer; `kdsr.network.baked` holds the fast path.
    """

    mean: Tensor

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__()
        c = config.n_feats
        self.head = nn.Conv2d(3, c, 3, padding=1)
        self.blocks = nn.ModuleList(IDRBlock(c) for _ in range(config.n_blocks))
        self.fuse = nn.Conv2d(c, c, 3, padding=1)
        self.tail = Tail(c, config.scale)
        # In memory even where the rest is only laid out (on `meta`): no file holds it.
        mean = torch.tensor(RGB_MEAN, device="cpu").reshape(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    @property
    def halo(self) -> int:
        """LQ pixels of context that one output pixel sees on each side, given the IDR."""
        return halo(len(self.blocks), self.tail)

    def predict_kernels(self, idr: Tensor) -> list[Tensor]:
        """All blocks' depthwise kernels, each (B, C, 3, 3), for an IDR (B, C)."""
        return [block.predictor(idr) for block in self.blocks]  # pyright: ignore[reportCallIssue]

    def trunk(self, lq: Tensor, kernels: Sequence[Tensor]) -> Tensor:
        """Everything before the tail: LQ (B, 3, H, W) in [0, 1] -> features (B, C, H, W)."""
        head = self.head(lq - self.mean)
        x = head
        for block, kernel in zip(self.blocks, kernels, strict=True):
            x = block(x, kernel)
        return self.fuse(x) + head

    def forward(self, lq: Tensor, idr: Tensor, *, compose_tail: bool = False) -> Tensor:
        """Super-resolves `lq`.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W).
            idr: (B, C), or (1, C) for one that all images share.
            compose_tail: Run the tail as one convolution composed inside the graph: the same
                parameters, gradients and result (up to rounding) for less work. For training.

        Returns:
            RGB around [0, 1], not clamped, (B, 3, sH, sW).
        """
        features = self.trunk(lq, self.predict_kernels(idr))
        if not compose_tail:
            return self.tail(features) + self.mean
        # The composed weights are differences of products: reduced precision would show in them.
        with torch.autocast(lq.device.type, enabled=False):
            composed = compose(self.tail)
        return run_composed(self.tail, composed, features) + self.mean
