"""The U-Net discriminator of Real-ESRGAN, with a logit for every pixel (paper Sec. 4.3)."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class UNetDiscriminator(nn.Module):
    """U-Net with skip connections; spectral norm bounds its gradients.

    Args:
        n_feats: Number of channels at full resolution; 64 as published.
    """

    def __init__(self, n_feats: int = 64) -> None:
        super().__init__()
        n = n_feats
        self.first = nn.Conv2d(3, n, 3, padding=1)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False))
            for a, b in ((n, 2 * n), (2 * n, 4 * n), (4 * n, 8 * n))
        )
        self.up = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 3, padding=1, bias=False))
            for a, b in ((8 * n, 4 * n), (4 * n, 2 * n), (2 * n, n))
        )
        self.last = nn.ModuleList(
            spectral_norm(nn.Conv2d(n, n, 3, padding=1, bias=False)) for _ in range(2)
        )
        self.verdict = nn.Conv2d(n, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits (B, 1, H, W), positive for real, of RGB images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: If a side is no multiple of 8.
        """
        if images.shape[2] % 8 or images.shape[3] % 8:
            raise ValueError(
                f"expected sides that are multiples of 8 px, got {images.shape[3]}x"
                f"{images.shape[2]}; choose a patch and scale whose product is one"
            )
        x = _leaky(self.first(images))
        skips = []
        for convolution in self.down:
            skips.append(x)
            x = _leaky(convolution(x))
        for convolution, skip in zip(self.up, reversed(skips), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = _leaky(convolution(x)) + skip
        for convolution in self.last:
            x = _leaky(convolution(x))
        return self.verdict(x)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)
