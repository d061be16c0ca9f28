"""The second-order pipeline of Real-ESRGAN with its published parameters (paper Sec. 4.3).

Twice blur, resize, noise and JPEG; at the end a sinc filter and JPEG in either order.
Resizing has no antialiasing, as in the official code.

Deviation: the official code draws the resize factor and mode, noise kind and filter order once a
batch and keeps a pool of 180 training pairs to mix them. Factors and modes are drawn per sample
here, so batches are mixed already and no pool, with its state, is needed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.blur import blur
from train.degradation.draws import NOISE, PARAMETERS, generator
from train.degradation.jpeg import jpeg
from train.degradation.mixed_kernels import identity_kernels, radial_kernels, sinc_kernels
from train.degradation.noise import add_gaussian_noise, add_poisson_noise

_SHAPES = torch.tensor([0.45, 0.25, 0.12, 0.03, 0.12, 0.03])  # iso, aniso of each radial kind
_MODES = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class OrderOptions:
    """One of the two rounds."""

    blur_probability: float = 1.0
    """Share of samples that are blurred."""
    min_sigma: float = 0.2
    """Narrowest blur, pixels."""
    max_sigma: float = 3.0
    """Widest blur, pixels."""
    max_beta: float = 4.0
    """Shape of generalised Gaussians, 0.5 to this."""
    max_plateau_beta: float = 2.0
    """Shape of plateau kernels, 1 to this."""
    sinc_probability: float = 0.1
    """Share of sinc filters among the kernels."""
    resize_probability: tuple[float, float, float] = (0.2, 0.7, 0.1)
    """Shares of enlarging, shrinking and keeping the size."""
    min_resize: float = 0.15
    """Smallest factor."""
    max_resize: float = 1.5
    """Largest factor."""
    gaussian_probability: float = 0.5
    """Share of Gaussian noise; the others get Poisson noise."""
    min_noise: float = 1.0
    """Weakest Gaussian noise, 0-255."""
    max_noise: float = 30.0
    """Strongest Gaussian noise, 0-255."""
    min_poisson: float = 0.05
    """Weakest Poisson noise."""
    max_poisson: float = 3.0
    """Strongest Poisson noise."""
    grey_probability: float = 0.4
    """Share of noise that is the same in all colours."""
    min_quality: float = 30.0
    """Lowest JPEG quality."""
    max_quality: float = 95.0
    """Highest JPEG quality."""

    def problems(self, name: str) -> list[str]:
        """What is wrong with these options, in words."""
        found = []
        for pair in ("sigma", "resize", "noise", "poisson", "quality"):
            low, high = getattr(self, f"min_{pair}"), getattr(self, f"max_{pair}")
            if not 0 < low <= high:
                found.append(f"{name}: expected 0 < min_{pair} <= max_{pair}, got {low} and {high}")
        if abs(sum(self.resize_probability) - 1) > 1e-6:
            found.append(f"{name}.resize_probability must sum to 1, got {self.resize_probability}")
        return found


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
    """Both rounds and what follows."""

    first: OrderOptions = OrderOptions()
    """First round."""
    second: OrderOptions = _SECOND
    """Second round."""
    final_sinc_probability: float = 0.8
    """Share of samples with a last sinc filter."""

    def __post_init__(self) -> None:
        problems = self.first.problems("first") + self.second.problems("second")
        if not 0 <= self.final_sinc_probability <= 1:
            problems.append("final_sinc_probability is a share, 0 to 1")
        if problems:
            raise ConfigError("; ".join(problems))


@dataclass(frozen=True)
class OrderParameters:
    """What was drawn for one round of a batch.

    Attributes:
        kernels: (B, 21, 21).
        factor: Resize factors, (B,).
        mode: Resize modes, (B,), index into area, bilinear, bicubic.
        gaussian: Standard deviations, 0-255, (B,); 0 where the noise is Poisson.
        poisson: Strengths, (B,); 0 where the noise is Gaussian.
        grey: (B,), bool.
        quality: JPEG, (B,).
        seeds: One per sample.
    """

    kernels: Tensor
    factor: Tensor
    mode: Tensor
    gaussian: Tensor
    poisson: Tensor
    grey: Tensor
    quality: Tensor
    seeds: list[int]


@dataclass(frozen=True)
class RealWorldParameters:
    """What was drawn for a batch.

    Attributes:
        first: First round.
        second: Second round.
        final: Last sinc kernels, (B, 21, 21).
        final_mode: Modes of the last resize, (B,).
        jpeg_first: Whether JPEG comes before the last resize and sinc, (B,), bool.
    """

    first: OrderParameters
    second: OrderParameters
    final: Tensor
    final_mode: Tensor
    jpeg_first: Tensor


class RealWorldDegradation:
    """See the module.

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
            sinc_kernels(_between(u[37], math.pi / 3, math.pi), _odd(u[38])),
            identity_kernels(len(samples)),
        )
        return RealWorldParameters(
            _draw(self.options.first, u[:17], [pair[0] for pair in seeds]),
            _draw(self.options.second, u[17:34], [pair[1] for pair in seeds]),
            final,
            (u[34] * 3).long().clamp(max=2),
            u[35] < 0.5,
        )

    def apply(self, gt: Tensor, parameters: RealWorldParameters) -> Tensor:
        """Degrades (B, 3, sH, sW) in [0, 1] to (B, 3, H, W) in [0, 1] on the 8-bit grid."""
        p = parameters
        size = (gt.shape[2] // self.scale, gt.shape[3] // self.scale)
        images = [self._one(gt[i : i + 1], p, i, size) for i in range(len(gt))]
        lq = torch.cat(images)
        return (lq * 255).round().clamp(0, 255) / 255

    def _one(self, image: Tensor, p: RealWorldParameters, i: int, size: tuple[int, int]) -> Tensor:
        """One sample: each has sizes of its own on the way."""
        height, width = image.shape[2:]
        image = _noisy(
            _resized(blur(image, p.first.kernels[i : i + 1].to(image)), p.first, i), p.first, i
        )
        image = jpeg(image.clamp(0, 1), p.first.quality[i : i + 1])
        image = _blur_small(image, p.second.kernels[i : i + 1].to(image))
        factor = p.second.factor[i].item() / self.scale
        image = _resize(image, (height * factor, width * factor), int(p.second.mode[i]))
        image = _noisy(image, p.second, i)
        final, quality = p.final[i : i + 1].to(image), p.second.quality[i : i + 1]
        if p.jpeg_first[i]:
            image = jpeg(image.clamp(0, 1), quality)
            return _blur_small(_resize(image, size, int(p.final_mode[i])), final)
        image = _blur_small(_resize(image, size, int(p.final_mode[i])), final)
        return jpeg(image.clamp(0, 1), quality)


def _draw(o: OrderOptions, u: Tensor, seeds: list[int]) -> OrderParameters:
    count = u.shape[1]
    shape = torch.searchsorted(_SHAPES.cumsum(0), u[0].clamp(max=0.999999), right=True)
    kind, anisotropic = shape // 2, shape % 2 == 1
    sigma_x = _between(u[1], o.min_sigma, o.max_sigma)
    sigma_y = torch.where(anisotropic, _between(u[2], o.min_sigma, o.max_sigma), sigma_x)
    # As published, half of the shapes are flatter than a Gaussian and half are sharper.
    beta = torch.where(
        u[3] < 0.5,
        torch.where(kind == 2, torch.ones(count), _between(u[4], 0.5, 1.0)),
        torch.where(
            kind == 2, _between(u[4], 1.0, o.max_plateau_beta), _between(u[4], 1.0, o.max_beta)
        ),
    )
    size = _odd(u[5])
    kernels = radial_kernels(kind, size, sigma_x, sigma_y, (2 * u[6] - 1) * math.pi, beta)
    low = torch.where(size < 13, torch.tensor(math.pi / 3), torch.tensor(math.pi / 5))
    sinc = sinc_kernels(low + (math.pi - low) * u[8], size)
    kernels = torch.where((u[7] < o.sinc_probability)[:, None, None], sinc, kernels)
    blurred = (u[9] < o.blur_probability)[:, None, None]
    up, down, _ = o.resize_probability
    factor = torch.where(
        u[10] < up,
        _between(u[11], 1.0, o.max_resize),
        torch.where(u[10] < up + down, _between(u[11], o.min_resize, 1.0), torch.ones(count)),
    )
    is_gaussian = u[13] < o.gaussian_probability
    return OrderParameters(
        kernels=torch.where(blurred, kernels, identity_kernels(count)),
        factor=factor,
        mode=(u[12] * 3).long().clamp(max=2),
        gaussian=_between(u[14], o.min_noise, o.max_noise) * is_gaussian,
        poisson=_between(u[14], o.min_poisson, o.max_poisson) * ~is_gaussian,
        grey=u[15] < o.grey_probability,
        quality=_between(u[16], o.min_quality, o.max_quality).round(),
        seeds=seeds,
    )


def _between(u: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * u


def _odd(u: Tensor) -> Tensor:
    """Kernel sizes 7, 9, ..., 21."""
    return 7 + 2 * (u * 8).long().clamp(max=7)


def _resized(image: Tensor, p: OrderParameters, i: int) -> Tensor:
    factor = p.factor[i].item()
    return _resize(image, (image.shape[2] * factor, image.shape[3] * factor), int(p.mode[i]))


def _resize(image: Tensor, size: tuple[float, float], mode: int) -> Tensor:
    target = (max(1, int(size[0])), max(1, int(size[1])))
    name = _MODES[mode]
    return F.interpolate(
        image, target, mode=name, **({} if name == "area" else {"align_corners": False})
    )


def _noisy(image: Tensor, p: OrderParameters, i: int) -> Tensor:
    one, seeds = slice(i, i + 1), p.seeds[i : i + 1]
    if p.gaussian[i] > 0:
        return add_gaussian_noise(image, p.gaussian[one], p.grey[one], seeds).clamp(0, 1)
    return add_poisson_noise(image.clamp(0, 1), p.poisson[one], p.grey[one], seeds).clamp(0, 1)


def _blur_small(image: Tensor, kernels: Tensor) -> Tensor:
    """Blurs images that may be smaller than what mirroring needs."""
    reach = kernels.shape[-1] // 2
    if min(image.shape[2:]) > reach:
        return blur(image, kernels)
    pad = F.pad(image, (reach,) * 4, mode="replicate")
    return F.conv2d(pad.transpose(0, 1), kernels[:, None]).transpose(0, 1)
