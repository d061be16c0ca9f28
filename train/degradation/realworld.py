"""Real-ESRGAN's second-order pipeline with its published parameters (paper Sec. 4.3).

It applies blur, resize, noise and JPEG twice, with a sinc filter before or after the last JPEG.
Resizing has no antialiasing, as in the official code.

Deviation: the official code draws resize factors and modes, noise kinds and the filter order once
per batch, as its batches need one size, and mixes batches by a pool of 180 training pairs. Here
samples are independent (see `ragged`), and `data.pool` only saves work.
Deviation: the official first resize samples at positions of the unrounded factor, which shifts the
far border by up to 1 / factor pixels against the GT. Here an image is resized to its rounded size.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from kdsr.pixels import on_grid
from train.degradation.blur import blur
from train.degradation.checks import outside, refuse
from train.degradation.draws import NOISE, PARAMETERS, generator
from train.degradation.jpeg import jpeg
from train.degradation.mixed_kernels import identity_kernels, sinc_kernels
from train.degradation.more import Drawings, MoreOptions, apply_more, describe_more
from train.degradation.noise import add_gaussian_noise, add_poisson_noise
from train.degradation.ragged import MODES, extend, inside, resize_ragged
from train.degradation.realworld_draws import (
    OrderOptions,
    OrderParameters,
    between,
    describe_round,
    draw_round,
    odd_size,
)
from train.degradation.words import kernel_words

_SECOND = OrderOptions(
    blur_probability=0.8,
    max_sigma=1.5,
    resize_probability=(0.3, 0.4, 0.3),
    min_resize=0.3,
    max_resize=1.2,
    max_noise=25.0,
    max_poisson=2.5,
)


@dataclass(frozen=True)
class RealWorldOptions:
    """Ranges of both rounds and of the final steps."""

    first: OrderOptions = field(default_factory=OrderOptions)
    """Ranges of the first round."""
    second: OrderOptions = _SECOND
    """Ranges of the second round."""
    final_sinc_probability: float = 0.8
    """Share of samples with a final sinc filter."""
    transposed_luma: bool = False
    """Use the official code's transposed luminance table, for comparison with its models."""
    more: MoreOptions = field(default_factory=MoreOptions)
    """Further degradations at the end."""

    def __post_init__(self) -> None:
        rounds = self.first.problems("first") + self.second.problems("second")
        refuse(self, rounds, outside(self, ["final_sinc_probability"], 0, 1))

    def build(self, scale: int) -> "RealWorldDegradation":
        """The pipeline with these ranges."""
        return RealWorldDegradation(self, scale)


@dataclass(frozen=True)
class RealWorldParameters:
    """Parameters of a batch.

    Attributes:
        first: Parameters of the first round.
        second: Parameters of the second round.
        final: Kernels of the final sinc filter, (B, 21, 21).
        final_mode: Modes of the final resize, (B,), indices into `ragged.MODES`.
        jpeg_first: Whether the last JPEG precedes the final resize and sinc filter, (B,), bool.
        more: Further degradations of each sample; () for none.
    """

    first: OrderParameters
    second: OrderParameters
    final: Tensor
    final_mode: Tensor
    jpeg_first: Tensor
    more: Drawings = ()


class RealWorldDegradation:
    """Applies the second-order pipeline; see the module.

    Args:
        options: Ranges.
        scale: Downscaling factor.
    """

    def __init__(self, options: RealWorldOptions, scale: int) -> None:
        self.options, self.scale = options, scale

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> RealWorldParameters:
        """Draws the parameters of the given samples of a step."""
        rows = [generator(seed, step, sample, PARAMETERS).random(40) for sample in samples]
        u = torch.stack([torch.from_numpy(row).float() for row in rows]).T
        seeds = [generator(seed, step, s, NOISE).integers(0, 2**62, 2).tolist() for s in samples]
        final = torch.where(
            (u[36] < self.options.final_sinc_probability)[:, None, None],
            sinc_kernels(between(u[37], math.pi / 3, math.pi), odd_size(u[38])),
            identity_kernels(len(samples)),
        )
        return RealWorldParameters(
            draw_round(self.options.first, u[:17], [pair[0] for pair in seeds]),
            draw_round(self.options.second, u[17:34], [pair[1] for pair in seeds]),
            final,
            (u[34] * 3).long().clamp(max=2),
            u[35] < 0.5,
            self.options.more.sample(seed, step, samples),
        )

    def apply(self, gt: Tensor, parameters: RealWorldParameters) -> Tensor:
        """Degrades (B, 3, sH, sW) in [0, 1] to (B, 3, H, W) in [0, 1] on the 8-bit grid."""
        p, count = parameters, len(gt)
        blurred = blur(gt, p.first.kernels.to(gt))
        # Intermediate sizes differ by sample; those after the second resize are always small.
        limit = max(1.0, self.options.second.max_resize) / self.scale
        canvas = (math.ceil(gt.shape[2] * limit), math.ceil(gt.shape[3] * limit))
        images = gt.new_empty(count, 3, *canvas)
        for factor_limit, rows in self._by_size(p.first.factor):
            first, second = _rows(p.first, rows), _rows(p.second, rows)
            index = rows.to(gt.device)
            images[index] = self._round(blurred[index], first, second, factor_limit, canvas)
        sizes = _sizes(gt, p.second.factor / self.scale)
        images = _noisy(images, p.second, sizes)
        quality = p.second.quality
        images = self._jpeg(images, quality * p.jpeg_first, sizes)
        size = (gt.shape[2] // self.scale, gt.shape[3] // self.scale)
        target = (torch.full((count,), size[0]), torch.full((count,), size[1]))
        images = resize_ragged(images, sizes, target, p.final_mode, size)
        images = blur(images, p.final.to(gt), target)
        images = jpeg(images, quality * ~p.jpeg_first, transposed_luma=self.options.transposed_luma)
        return apply_more(on_grid(images), p.more)

    def describe(self, parameters: RealWorldParameters) -> list[str]:
        """Describes the degradation of each sample in words."""
        p = parameters
        more = describe_more(p.more, len(p.final))
        endings = zip(p.final, p.final_mode.tolist(), p.jpeg_first.tolist(), more, strict=True)
        rounds = zip(describe_round(p.first), describe_round(p.second), strict=True)
        words = []
        for (first, second), (kernel, mode, early, rest) in zip(rounds, endings, strict=True):
            last = [f"{MODES[mode]} to the LQ size", kernel_words(kernel)]
            compressed = second.pop()
            last = [compressed, *last] if early else [*last, compressed]
            said = f"1: {', '.join(first)}; 2: {', '.join(second)}"
            words.append(f"{said}; then {', '.join(last)}{rest}")
        return words

    def _by_size(self, factor: Tensor) -> Iterator[tuple[float, Tensor]]:
        """Groups rows by the factor of the first resize; yields (largest factor, rows)."""
        low = 0.0
        for high in (0.5, 1.0, max(1.0, self.options.first.max_resize)):
            rows = ((factor > low) & (factor <= high)).nonzero()[:, 0]
            if len(rows):
                yield high, rows
            low = high

    def _round(
        self,
        images: Tensor,
        first: OrderParameters,
        second: OrderParameters,
        limit: float,
        canvas: tuple[int, int],
    ) -> Tensor:
        """Runs the first resize (factors up to `limit`) to the second resize, onto `canvas`."""
        height, width = images.shape[2:]
        whole, sizes = _sizes(images, torch.ones(len(images))), _sizes(images, first.factor)
        between = (math.ceil(height * limit), math.ceil(width * limit))
        target = _sizes(images, second.factor / self.scale)
        images = resize_ragged(images, whole, sizes, first.mode, between)
        images = self._jpeg(_noisy(images, first, sizes), first.quality, sizes)
        images = blur(images, second.kernels.to(images), sizes)
        return resize_ragged(images, sizes, target, second.mode, canvas)

    def _jpeg(self, images: Tensor, quality: Tensor, sizes: tuple[Tensor, Tensor]) -> Tensor:
        """Compresses a ragged batch; replicated edges fill blocks that exceed an image."""
        height, width = images.shape[2:]
        canvas = (height + -height % 16, width + -width % 16)
        whole = extend(images, sizes, 0, canvas, mirror=False)
        made = jpeg(whole, quality, transposed_luma=self.options.transposed_luma)
        return made[:, :, :height, :width]


def _sizes(images: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths, (B,) each, of images after resizing by factors (B,)."""
    height, width = ((n * factor.double()).long().clamp(min=1) for n in images.shape[2:])
    return height, width


def _rows(p: OrderParameters, rows: Tensor) -> OrderParameters:
    """Selects the parameters of some samples."""
    tensors = {f.name: getattr(p, f.name)[rows] for f in fields(p) if f.name != "seeds"}
    return OrderParameters(**tensors, seeds=[p.seeds[i] for i in rows.tolist()])


def _noisy(images: Tensor, p: OrderParameters, sizes: tuple[Tensor, Tensor]) -> Tensor:
    images = images.clamp(0, 1)  # bicubic resizing overshoots
    canvas = (images.shape[2], images.shape[3])
    noisy = add_gaussian_noise(images, p.gaussian, p.grey, p.seeds, hashed=True)
    noisy = add_poisson_noise(noisy, p.poisson, p.grey, p.seeds, inside(sizes, canvas))
    return noisy.clamp(0, 1)
