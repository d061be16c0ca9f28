"""A fast U-Net discriminator that works at LQ resolution and has a logit for every pixel."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_LEAK = 0.2


class UnshuffledDiscriminator(nn.Module):
    """U-Net with spectral norm over pixel-unshuffled images.

    Deviation: the published discriminator works at the resolution of the SR image, and at x4 needs
    33 times as many multiply-adds. Here a pixel unshuffle first turns blocks of `scale` x `scale`
    pixels into channels, so that convolutions run on 1 / scale**2 of the pixels. No information is
    lost, and a pixel shuffle restores a logit for each pixel.

    Args:
        scale: Side of the blocks, the SR network's upscaling factor.
        n_feats: Number of channels at LQ resolution.
    """

    def __init__(self, scale: int, n_feats: int = 64) -> None:
        super().__init__()
        n, self.scale = n_feats, scale
        self.first = nn.Conv2d(3 * scale**2, n, 3, padding=1)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False))
            for a, b in ((n, n * 3 // 2), (n * 3 // 2, 2 * n))
        )
        self.up = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 3, padding=1, bias=False))
            for a, b in ((2 * n, n * 3 // 2), (n * 3 // 2, n))
        )
        self.last = spectral_norm(nn.Conv2d(n, n, 3, padding=1, bias=False))
        self.verdict = nn.Conv2d(n, scale**2, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits (B, 1, H, W), positive for real, of RGB images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: If a side is no multiple of four blocks.
        """
        step = 4 * self.scale
        if images.shape[2] % step or images.shape[3] % step:
            raise ValueError(
                f"expected sides that are multiples of {step} px, got {images.shape[3]}x"
                f"{images.shape[2]}; choose a patch that is a multiple of 4"
            )
        x = F.leaky_relu(self.first(F.pixel_unshuffle(images, self.scale)), _LEAK)
        skips = []
        for convolution in self.down:
            skips.append(x)
            x = F.leaky_relu(convolution(x), _LEAK)
        for convolution, skip in zip(self.up, reversed(skips), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.leaky_relu(convolution(x), _LEAK) + skip
        x = F.leaky_relu(self.last(x), _LEAK)
        return F.pixel_shuffle(self.verdict(x), self.scale)
