"""The paper's classic degradations (Sec. 4.1): Gaussian blur, bicubic downscaling, noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kdsr.pixels import on_grid
from train.degradation.blur import blur_and_downscale
from train.degradation.checks import no_range, outside, refuse
from train.degradation.draws import noise_seeds, uniforms
from train.degradation.noise import add_gaussian_noise
from train.degradation.words import blur_words, noise_words

MAX_SIGMA = {1: 2.0, 2: 2.0, 3: 3.0, 4: 4.0}
"""Widest blur in training, by scale, in GT pixels. The paper has no x1, which uses the value of
x2; see `blur_beside_x4`."""


@dataclass(frozen=True)
class ClassicOptions:
    """Ranges of the classic degradations."""

    anisotropic: bool = False
    """Draw two widths and an angle instead of one width."""
    min_sigma: float = 0.2
    """Narrowest blur, GT pixels."""
    max_sigma: float | None = None
    """Widest blur, GT pixels; None for the paper's value for the scale."""
    max_noise: float = 0.0
    """Strongest Gaussian noise, 0-255."""
    per_batch: bool = False
    """One kernel and one noise level per batch, as in the official code. Deviation: by default
    each sample has its own, as the paper's text says."""

    def __post_init__(self) -> None:
        refuse(self, no_range(self, "sigma"), outside(self, ["max_noise"], 0, 255))

    def build(self, scale: int) -> "ClassicDegradation":
        """The pipeline with these ranges."""
        return ClassicDegradation(self, scale)


@dataclass(frozen=True)
class ClassicParameters:
    """Parameters of a batch.

    Attributes:
        sigma_long: Blur along the first axis, (B,), standard deviation in GT pixels.
        sigma_short: Blur along the second axis, (B,), standard deviation in GT pixels.
        angle: Angle of the first axis, (B,), radians.
        noise: Standard deviation of the noise, (B,), 0-255.
        seeds: Noise seeds, one per sample.
    """

    sigma_long: Tensor
    sigma_short: Tensor
    angle: Tensor
    noise: Tensor
    seeds: list[int]


class ClassicDegradation:
    """Blurs, downscales, adds noise and rounds to 8 bit.

    Args:
        options: Ranges.
        scale: Downscaling factor.
    """

    def __init__(self, options: ClassicOptions, scale: int) -> None:
        self.options, self.scale = options, scale

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> ClassicParameters:
        """Draws the parameters of the given samples of a step."""
        options = self.options
        drawn = [0] * len(samples) if options.per_batch else samples
        u = uniforms(seed, step, drawn, 4)
        high = options.max_sigma or MAX_SIGMA[self.scale]
        first, second = (options.min_sigma + (high - options.min_sigma) * u[:, i] for i in (0, 1))
        if not options.anisotropic:
            second = first
        return ClassicParameters(
            first, second, math.pi * u[:, 2], options.max_noise * u[:, 3],
            noise_seeds(seed, step, samples),
        )  # fmt: skip

    def apply(self, gt: Tensor, parameters: ClassicParameters) -> Tensor:
        """Degrades (B, 3, sH, sW) in [0, 1] to (B, 3, H, W) in [0, 1] on the 8-bit grid."""
        p = parameters
        lq = blur_and_downscale(gt, p.sigma_long, p.sigma_short, p.angle, self.scale)
        # The official code rounds once, after the noise.
        lq = add_gaussian_noise(lq, p.noise, torch.zeros(len(gt), dtype=torch.bool), p.seeds)
        return on_grid(lq)

    def describe(self, parameters: ClassicParameters) -> list[str]:
        """Describes the degradation of each sample in words."""
        p = parameters
        columns = (p.sigma_long, p.sigma_short, p.angle, p.noise)
        return [
            f"{blur_words(long, short, angle)}, {noise_words(noise, grey=False)}"
            for long, short, angle, noise in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]
