"""The upsampling tail, and the single convolution that replaces it.

The official tail consists of convolutions and pixel shuffles, without activations, and is therefore
linear. Away from the image border it equals a single 5x5 convolution at LQ resolution and one pixel
shuffle (`compose`). Zero padding between the tail's layers changes the outermost pixels, three at
x4, one at x2 and x3. The official tail runs on thin strips there, so that the result equals the
official network everywhere.

Deviation: the paper has no x1. Its tail is a convolution to RGB alone, which needs no composing.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class Tail(nn.Module):
    """The official upsampler: (conv - pixel shuffle) once or twice, then conv to RGB.

    Args:
        n_feats: Feature channels C.
        scale: 1 (no shuffle), 2 or 3 (one), or 4 (two shuffles of 2).
    """

    def __init__(self, n_feats: int, scale: int) -> None:
        super().__init__()
        steps = {1: (), 4: (2, 2)}.get(scale, (scale,))
        self.steps = steps
        self.reach = 2 if steps else 1
        """Context of an output pixel on each side in LQ pixels: convolutions at LQ, 2x LQ and 4x LQ
        size together reach less than two."""
        self.spoilt = 0
        """Number of output pixels at each edge that the padding between the layers changes."""
        for step in (*steps[1:], 1) if steps else ():
            self.spoilt = (self.spoilt + 1) * step
        self.kernel_side = 2 * self.reach + 1
        """Side of the composed convolution. Images with a shorter side in LQ pixels run through
        the tail itself."""
        self.n_feats = n_feats
        self.scale = scale
        self.up = nn.ModuleList(
            nn.Conv2d(n_feats, n_feats * step**2, 3, padding=1) for step in steps
        )
        self.out = nn.Conv2d(n_feats, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to images (B, 3, sH, sW)."""
        for conv, step in zip(self.up, self.steps, strict=True):
            x = F.pixel_shuffle(conv(x), step)
        return self.out(x)

    def edge(self, x: Tensor, dim: int, *, far: bool) -> Tensor:
        """Computes the outer `spoilt` rows (dim=2) or columns (dim=3) of the output exactly.

        It uses a strip of three pixels, and computes only the rows that the next layer needs.

        Args:
            x: Features (B, C, H, W), at least three pixels along `dim`.
            dim: 2 for the top and bottom edge, 3 for the left and right one.
            far: False for the top or left edge, True for the bottom or right one.
        """
        needed = [self.spoilt]  # rows of each layer's output, from the last layer to the first
        for step in reversed(self.steps):
            needed.append(-(-(needed[-1] + 1) // step))
        x = _outer(x, dim, needed.pop() + 1, far=far)
        for conv, step in zip(self.up, self.steps, strict=True):
            x = F.pixel_shuffle(_outer_convolution(conv, x, dim, far=far), step)
            x = _outer(x, dim, needed.pop() + 1, far=far)
        return _outer_convolution(self.out, x, dim, far=far)


def _outer(x: Tensor, dim: int, length: int, *, far: bool) -> Tensor:
    return x.narrow(dim, x.shape[dim] - length if far else 0, length)


def _outer_convolution(conv: nn.Module, x: Tensor, dim: int, *, far: bool) -> Tensor:
    """Convolves a strip padded at its outer edge alone; the result is one row shorter and exact."""
    assert isinstance(conv, nn.Conv2d)
    along = (0, 1) if far else (1, 0)
    padded = F.pad(x, (1, 1, *along) if dim == 2 else (*along, 1, 1))
    return F.conv2d(padded, conv.weight, conv.bias)


@dataclass(frozen=True)
class ComposedTail:
    """The interior of a tail as one convolution.

    Attributes:
        weight: Kernel (3 * scale**2, C, k, k), where k is the tail's `kernel_side`.
        bias: Biases (3 * scale**2,).
        scale: Factor of the pixel shuffle that follows.
    """

    weight: Tensor
    bias: Tensor
    scale: int

    def interior(self, x: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to images (B, 3, sH, sW), exact except at the border."""
        same = F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        return F.pixel_shuffle(same, self.scale)


def compose(tail: Tail) -> ComposedTail:
    """Composes a tail's interior into one convolution, by propagating its outputs back.

    The result is differentiable: gradients reach the tail's own parameters. The same function
    therefore serves training (in its dtype) and inference (on a float64 copy of the tail).
    """
    out_channels = 3 * tail.scale**2
    weight = tail.out.weight
    # One unit gradient per output phase of an LQ pixel is sent backwards; every layer spreads it by
    # one of its own pixels in each direction.
    eye = torch.eye(out_channels, device=weight.device, dtype=weight.dtype)
    x = F.pixel_shuffle(rearrange(eye, "outputs phases -> outputs phases 1 1"), tail.scale)
    x, spread = F.conv_transpose2d(x, weight), 1
    for conv, step in zip(reversed(tail.up), reversed(tail.steps), strict=True):
        pad = -spread % step
        x = F.pixel_unshuffle(F.pad(x, (pad, pad, pad, pad)), step)
        x, spread = F.conv_transpose2d(x, conv.get_parameter("weight")), (spread + pad) // step + 1
    # The middle of the response to a zero input is the (periodic) bias.
    silence = tail(weight.new_zeros(1, tail.n_feats, tail.kernel_side, tail.kernel_side))
    bias = F.pixel_unshuffle(silence, tail.scale)[0, :, tail.reach, tail.reach]
    return ComposedTail(x, bias, tail.scale)


def compose_exactly(tail: Tail) -> ComposedTail:
    """Composes in float64 on the CPU, as some devices lack it; float32 result, no gradients."""
    with torch.no_grad():
        double = Tail(tail.n_feats, tail.scale)
        double.load_state_dict(tail.state_dict())
        composed = compose(double.double())
    return ComposedTail(composed.weight.float(), composed.bias.float(), composed.scale)


def run_composed(tail: Tail, composed: ComposedTail, x: Tensor) -> Tensor:
    """Runs the composed tail with exact borders; equals `tail(x)` up to rounding.

    Args:
        tail: The tail itself, for the border.
        composed: Result of `compose(tail)` or `compose_exactly(tail)`.
        x: Features (B, C, H, W) of any size.

    Returns:
        Images (B, 3, sH, sW).
    """
    if not tail.steps:
        return composed.interior(x)
    h, w = x.shape[-2:]
    if min(h, w) < tail.kernel_side:
        return tail(x)
    y = composed.interior(x)
    inner = slice(tail.spoilt, -tail.spoilt)
    left, right = (tail.edge(x, 3, far=far)[:, :, inner] for far in (False, True))
    middle = torch.cat((left, y[:, :, inner, inner], right), dim=3)
    return torch.cat((tail.edge(x, 2, far=False), middle, tail.edge(x, 2, far=True)), dim=2)
