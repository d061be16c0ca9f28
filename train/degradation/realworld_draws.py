"""Published ranges and random draws of one round of the second-order pipeline."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from train.degradation.checks import no_range
from train.degradation.mixed_kernels import identity_kernels, radial_kernels, sinc_kernels
from train.degradation.ragged import MODES
from train.degradation.words import jpeg_words, kernel_words, noise_words

_SHAPES = torch.tensor(
    [0.45, 0.25, 0.12, 0.03, 0.12, 0.03]
)  # isotropic, anisotropic for each radial kind


@dataclass(frozen=True)
class OrderOptions:
    """Ranges of one of the two rounds."""

    blur_probability: float = 1.0
    """Share of samples that are blurred."""
    min_sigma: float = 0.2
    """Narrowest blur, pixels."""
    max_sigma: float = 3.0
    """Widest blur, pixels."""
    max_beta: float = 4.0
    """Largest shape exponent of generalised Gaussians; the smallest is 0.5."""
    max_plateau_beta: float = 2.0
    """Largest shape exponent of plateau kernels; the smallest is 1."""
    sinc_probability: float = 0.1
    """Share of sinc filters among the kernels."""
    resize_probability: tuple[float, float, float] = (0.2, 0.7, 0.1)
    """Shares of enlarging, shrinking and keeping the size."""
    min_resize: float = 0.15
    """Smallest resize factor."""
    max_resize: float = 1.5
    """Largest resize factor."""
    gaussian_probability: float = 0.5
    """Share of Gaussian noise; the others get Poisson noise."""
    min_noise: float = 1.0
    """Weakest Gaussian noise, 0-255."""
    max_noise: float = 30.0
    """Strongest Gaussian noise, 0-255."""
    min_poisson: float = 0.05
    """Weakest Poisson noise, a factor."""
    max_poisson: float = 3.0
    """Strongest Poisson noise, a factor."""
    grey_probability: float = 0.4
    """Share of noise that is equal in all channels."""
    min_quality: float = 30.0
    """Lowest JPEG quality."""
    max_quality: float = 95.0
    """Highest JPEG quality."""

    def problems(self, name: str) -> list[str]:
        """Problems of these options, one sentence each."""
        found = []
        for pair in ("sigma", "resize", "noise", "poisson", "quality"):
            found += no_range(self, pair)
        if abs(sum(self.resize_probability) - 1) > 1e-6:
            found.append(f"resize_probability must sum to 1, got {self.resize_probability}")
        return [f"{name}: {problem}" for problem in found]


@dataclass(frozen=True)
class OrderParameters:
    """Parameters of one round of a batch.

    Attributes:
        kernels: Blur kernels, (B, 21, 21).
        factor: Resize factors, (B,).
        mode: Resize modes, (B,), indices into `ragged.MODES`.
        gaussian: Standard deviations of Gaussian noise, (B,), 0-255; 0 for Poisson noise.
        poisson: Factors of Poisson noise, (B,); 0 for Gaussian noise.
        grey: Whether all channels get the same noise, (B,), bool.
        quality: JPEG quality, (B,), 1 to 100.
        seeds: Noise seeds, one per sample.
    """

    kernels: Tensor
    factor: Tensor
    mode: Tensor
    gaussian: Tensor
    poisson: Tensor
    grey: Tensor
    quality: Tensor
    seeds: list[int]


def draw_round(o: OrderOptions, u: Tensor, seeds: list[int]) -> OrderParameters:
    """Computes the parameters of one round from uniform draws.

    Args:
        o: Ranges of the round.
        u: Uniform draws in [0, 1), (17, B).
        seeds: Noise seeds, one per sample.
    """
    count = u.shape[1]
    shape = torch.searchsorted(_SHAPES.cumsum(0), u[0].clamp(max=0.999999), right=True)
    kind, anisotropic = shape // 2, shape % 2 == 1
    sigma_x = between(u[1], o.min_sigma, o.max_sigma)
    sigma_y = torch.where(anisotropic, between(u[2], o.min_sigma, o.max_sigma), sigma_x)
    # As published, half of the exponents are below 1 and half above.
    beta = torch.where(
        u[3] < 0.5,
        torch.where(kind == 2, torch.ones(count), between(u[4], 0.5, 1.0)),
        torch.where(
            kind == 2, between(u[4], 1.0, o.max_plateau_beta), between(u[4], 1.0, o.max_beta)
        ),
    )
    size = odd_size(u[5])
    kernels = radial_kernels(kind, size, sigma_x, sigma_y, (2 * u[6] - 1) * math.pi, beta)
    low = torch.where(size < 13, torch.tensor(math.pi / 3), torch.tensor(math.pi / 5))
    sinc = sinc_kernels(low + (math.pi - low) * u[8], size)
    kernels = torch.where((u[7] < o.sinc_probability)[:, None, None], sinc, kernels)
    blurred = (u[9] < o.blur_probability)[:, None, None]
    up, down, _ = o.resize_probability
    factor = torch.where(
        u[10] < up,
        between(u[11], 1.0, o.max_resize),
        torch.where(u[10] < up + down, between(u[11], o.min_resize, 1.0), torch.ones(count)),
    )
    is_gaussian = u[13] < o.gaussian_probability
    return OrderParameters(
        kernels=torch.where(blurred, kernels, identity_kernels(count)),
        factor=factor,
        mode=(u[12] * 3).long().clamp(max=2),
        gaussian=between(u[14], o.min_noise, o.max_noise) * is_gaussian,
        poisson=between(u[14], o.min_poisson, o.max_poisson) * ~is_gaussian,
        grey=u[15] < o.grey_probability,
        quality=between(u[16], o.min_quality, o.max_quality).round(),
        seeds=seeds,
    )


def describe_round(p: OrderParameters) -> list[list[str]]:
    """Describes the steps of each sample in words; JPEG comes last."""
    columns = (p.factor, p.mode, p.gaussian, p.poisson, p.grey, p.quality)
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    words = []
    for kernel, (factor, mode, gaussian, poisson, grey, quality) in zip(
        p.kernels, numbers, strict=True
    ):
        noise = (
            noise_words(poisson, grey=grey, kind="Poisson noise")
            if poisson
            else noise_words(gaussian, grey=grey)
        )
        size = "same size" if factor == 1 else f"{MODES[mode]} x{factor:.2f}"
        words.append([kernel_words(kernel), size, noise, jpeg_words(quality)])
    return words


def between(u: Tensor, low: float, high: float) -> Tensor:
    """Maps [0, 1) to [low, high)."""
    return low + (high - low) * u


def odd_size(u: Tensor) -> Tensor:
    """Maps [0, 1) to the kernel sizes 7, 9, ..., 21."""
    return 7 + 2 * (u * 8).long().clamp(max=7)
