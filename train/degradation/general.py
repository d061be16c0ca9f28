"""A first-order pipeline for real photographs: blur, downscaling, noise and JPEG of any strength.

It is simpler, faster and milder than Real-ESRGAN's second-order pipeline. The default model was
trained with it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from kdsr.pixels import on_grid
from train.degradation.blur import blur, blur_and_downscale, blur_beside_x4
from train.degradation.checks import no_range, outside, refuse
from train.degradation.draws import noise_seeds, uniforms
from train.degradation.jpeg import jpeg
from train.degradation.kernels import gaussian_kernels
from train.degradation.more import Drawings, MoreOptions, apply_more, describe_more
from train.degradation.noise import add_gaussian_noise
from train.degradation.resampling import Resampled, Resampling
from train.degradation.words import blur_words, jpeg_words, noise_words


@dataclass(frozen=True)
class GeneralOptions:
    """Ranges of the general degradations."""

    max_sigma: float = 3.8
    """Widest blur, GT pixels at x4; proportionally less at x2 and x3, at x1 the same as at x2."""
    min_sigma: float = 0.2
    """Narrowest blur, GT pixels."""
    sharp: float = 0.12
    """Share of samples without blur."""
    isotropic: float = 0.5
    """Share of isotropic kernels among the blurred samples."""
    max_noise: float = 20.0
    """Strongest Gaussian noise, 0-255."""
    noisy: float = 0.6
    """Share of samples with noise."""
    grey: float = 0.4
    """Share of noise that is equal in all channels."""
    min_quality: float = 35.0
    """Lowest JPEG quality."""
    max_quality: float = 95.0
    """Highest JPEG quality."""
    compressed: float = 0.55
    """Share of samples with JPEG."""
    resampling: Resampling = field(default_factory=Resampling)
    """Downscaling methods other than antialiased bicubic; not used at x1."""
    more: MoreOptions = field(default_factory=MoreOptions)
    """Further degradations, between noise and JPEG."""

    def __post_init__(self) -> None:
        shares = ("sharp", "isotropic", "noisy", "grey", "compressed")
        ranges = no_range(self, "sigma") + no_range(self, "quality", 1, 100)
        refuse(self, outside(self, shares, 0, 1), outside(self, ["max_noise"], 0, 255), ranges)

    def build(self, scale: int) -> "GeneralDegradation":
        """The pipeline with these ranges."""
        return GeneralDegradation(self, scale)


@dataclass(frozen=True)
class GeneralParameters:
    """Parameters of a batch.

    Attributes:
        sigma_long: Blur along the first axis, (B,), standard deviation in GT pixels; 0 for none.
        sigma_short: Blur along the second axis, (B,), standard deviation in GT pixels.
        angle: Angle of the first axis, (B,), radians.
        noise: Standard deviation of the noise, (B,), 0-255.
        grey: Whether all channels get the same noise, (B,), bool.
        quality: JPEG quality, (B,), 1 to 100; 0 for none.
        seeds: Noise seeds, one per sample.
        resampled: Downscaling of each sample, None for antialiased bicubic; () if all are None.
        more: Further degradations of each sample; () for none.
    """

    sigma_long: Tensor
    sigma_short: Tensor
    angle: Tensor
    noise: Tensor
    grey: Tensor
    quality: Tensor
    seeds: list[int]
    resampled: Sequence[Resampled | None] = ()
    more: Drawings = ()


class GeneralDegradation:
    """Applies blur, downscaling, Gaussian noise and JPEG, in this order.

    Args:
        options: Ranges.
        scale: Downscaling factor; 1 for none.
    """

    def __init__(self, options: GeneralOptions, scale: int) -> None:
        self.options, self.scale = options, scale

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> GeneralParameters:
        """Draws the parameters of the given samples of a step."""
        o = self.options
        u = uniforms(seed, step, samples, 10).T
        high = max(o.min_sigma, o.max_sigma * blur_beside_x4(self.scale))
        first, second = (o.min_sigma + (high - o.min_sigma) * u[i] for i in (0, 1))
        blurred = (u[2] >= o.sharp).float()
        second = second.where(u[3] >= o.isotropic, first)
        return GeneralParameters(
            sigma_long=first * blurred,
            sigma_short=second * blurred,
            angle=math.pi * u[4],
            noise=o.max_noise * u[5] * (u[6] < o.noisy),
            grey=u[7] < o.grey,
            quality=(o.min_quality + (o.max_quality - o.min_quality) * u[8]).round()
            * (u[9] < o.compressed),
            seeds=noise_seeds(seed, step, samples),
            resampled=o.resampling.sample(seed, step, samples) if self.scale > 1 else (),
            more=o.more.sample(seed, step, samples),
        )

    def apply(self, gt: Tensor, parameters: GeneralParameters) -> Tensor:
        """Degrades (B, 3, sH, sW) in [0, 1] to (B, 3, H, W) in [0, 1] on the 8-bit grid."""
        p = parameters
        lq = blur_and_downscale(gt, p.sigma_long, p.sigma_short, p.angle, self.scale)
        size = (lq.shape[2], lq.shape[3])
        for row, resampled in enumerate(p.resampled):
            if resampled is not None:
                lq[row] = resampled.resize(self._blurred(gt, p, row), size)[0]
        lq = add_gaussian_noise(lq, p.noise, p.grey, p.seeds)
        lq = on_grid(lq)
        return jpeg(apply_more(lq, p.more), p.quality)

    def _blurred(self, gt: Tensor, p: GeneralParameters, row: int) -> Tensor:
        """One blurred sample at GT size, (1, 3, sH, sW)."""
        one = slice(row, row + 1)
        if p.sigma_long[row] == 0:
            return gt[one]
        kernel = gaussian_kernels(p.sigma_long[one], p.sigma_short[one], p.angle[one])
        return blur(gt[one], kernel.to(gt))

    def describe(self, parameters: GeneralParameters) -> list[str]:
        """Describes the degradation of each sample in words."""
        p, count = parameters, len(parameters.seeds)
        columns = (p.sigma_long, p.sigma_short, p.angle, p.noise, p.grey, p.quality)
        resampled = [f", {way.describe()}" if way else "" for way in p.resampled] or [""] * count
        numbers = zip(*(column.tolist() for column in columns), strict=True)
        return [
            f"{blur_words(long, short, angle)}{way}, {noise_words(noise, grey=grey)}{more}, "
            f"{jpeg_words(quality)}"
            for (long, short, angle, noise, grey, quality), way, more in zip(
                numbers, resampled, describe_more(p.more, count), strict=True
            )
        ]
