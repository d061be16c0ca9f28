"""U-Net discriminators with a logit for every pixel (paper Sec. 4.3)."""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class UNetDiscriminator(nn.Module):
    """The U-Net of Real-ESRGAN with skip connections; spectral norm bounds its gradients.

    Args:
        n_feats: Number of channels at full resolution; 64 as published.
    """

    def __init__(self, n_feats: int = 64) -> None:
        super().__init__()
        n = n_feats
        self.first = nn.Conv2d(3, n, 3, padding=1)
        self.down = _halving((n, 2 * n), (2 * n, 4 * n), (4 * n, 8 * n))
        self.up = _plain((8 * n, 4 * n), (4 * n, 2 * n), (2 * n, n))
        self.last = _plain((n, n), (n, n))
        self.verdict = nn.Conv2d(n, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits (B, 1, H, W), positive for real, of RGB images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: If a side is no multiple of 8.
        """
        _check(images, 8, "choose a patch and scale whose product is one")
        x = _u_net(_leaky(self.first(images)), self.down, self.up)
        for convolution in self.last:
            x = _leaky(convolution(x))
        return self.verdict(x)


class UnshuffledDiscriminator(nn.Module):
    """A fast U-Net with spectral norm over pixel-unshuffled images, at LQ resolution.

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
        self.down = _halving((n, n * 3 // 2), (n * 3 // 2, 2 * n))
        self.up = _plain((2 * n, n * 3 // 2), (n * 3 // 2, n))
        (self.last,) = _plain((n, n))
        self.verdict = nn.Conv2d(n, scale**2, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits (B, 1, H, W), positive for real, of RGB images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: If a side is no multiple of four blocks.
        """
        _check(images, 4 * self.scale, "choose a patch that is a multiple of 4")
        x = _leaky(self.first(F.pixel_unshuffle(images, self.scale)))
        x = _leaky(self.last(_u_net(x, self.down, self.up)))
        return F.pixel_shuffle(self.verdict(x), self.scale)


def _halving(*channels: tuple[int, int]) -> nn.ModuleList:
    """Convolutions between these numbers of channels that halve the size."""
    return nn.ModuleList(
        spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False)) for a, b in channels
    )


def _plain(*channels: tuple[int, int]) -> nn.ModuleList:
    return nn.ModuleList(
        spectral_norm(nn.Conv2d(a, b, 3, padding=1, bias=False)) for a, b in channels
    )


def _u_net(x: Tensor, down: Iterable[nn.Module], up: Iterable[nn.Module]) -> Tensor:
    skips = []
    for convolution in down:
        skips.append(x)
        x = _leaky(convolution(x))
    for convolution, skip in zip(up, reversed(skips), strict=True):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = _leaky(convolution(x)) + skip
    return x


def _check(images: Tensor, step: int, remedy: str) -> None:
    if images.shape[2] % step or images.shape[3] % step:
        raise ValueError(
            f"expected sides that are multiples of {step} px, got {images.shape[3]}x"
            f"{images.shape[2]}; {remedy}"
        )


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)
