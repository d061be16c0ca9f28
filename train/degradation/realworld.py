"""The second-order pipeline of Real-ESRGAN with its published parameters (paper Sec. 4.3).

Twice blur, resize, noise and JPEG; at the end a sinc filter and JPEG in either order.
Resizing has no antialiasing, as in the official code.

Deviation: the official code draws the resize factors and modes, noise kinds and the filter order
once a batch, as a batch had to have one size, and keeps a pool of 180 training pairs to mix what
batches are made of. Here every sample has its own (see `ragged`), all independent; `train.pool` is
for saving work.
Deviation: its first resize reads at positions by the unrounded factor, which shifts the far border
by up to 1 / factor pixels against the ground truth; here an image is resized to its rounded size.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.blur import blur
from train.degradation.draws import NOISE, PARAMETERS, generator
from train.degradation.jpeg import jpeg
from train.degradation.mixed_kernels import identity_kernels, radial_kernels, sinc_kernels
from train.degradation.noise import add_gaussian_noise, add_poisson_noise
from train.degradation.ragged import extend, inside, resize_ragged

_SHAPES = torch.tensor([0.45, 0.25, 0.12, 0.03, 0.12, 0.03])  # iso, aniso of each radial kind


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
    transposed_luma: bool = False
    """Use the transposed luminance table of the official JPEG, to compare with its models."""

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
        p, count = parameters, len(gt)
        blurred = blur(gt, p.first.kernels.to(gt))
        # Each sample has sizes of its own on the way; the second ones are small anyway.
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
        return (images * 255).round().clamp(0, 255) / 255

    def _by_size(self, factor: Tensor) -> Iterator[tuple[float, Tensor]]:
        """Rows whose first resize has similar results, with the largest factor to expect."""
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
        """From the first resize, to at most `limit` times the size, to the second, on `canvas`."""
        height, width = images.shape[2:]
        whole, sizes = _sizes(images, torch.ones(len(images))), _sizes(images, first.factor)
        between = (math.ceil(height * limit), math.ceil(width * limit))
        target = _sizes(images, second.factor / self.scale)
        images = resize_ragged(images, whole, sizes, first.mode, between)
        images = self._jpeg(_noisy(images, first, sizes), first.quality, sizes)
        images = blur(images, second.kernels.to(images), sizes)
        return resize_ragged(images, sizes, target, second.mode, canvas)

    def _jpeg(self, images: Tensor, quality: Tensor, sizes: tuple[Tensor, Tensor]) -> Tensor:
        """JPEG of a ragged batch; blocks that reach beyond an image are filled with its edge."""
        height, width = images.shape[2:]
        canvas = (height + -height % 16, width + -width % 16)
        whole = extend(images, sizes, 0, canvas, mirror=False)
        made = jpeg(whole, quality, transposed_luma=self.options.transposed_luma)
        return made[:, :, :height, :width]


def _sizes(images: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths, (B,) each, of images that are resized by factors (B,)."""
    height, width = ((n * factor.double()).long().clamp(min=1) for n in images.shape[2:])
    return height, width


def _rows(p: OrderParameters, rows: Tensor) -> OrderParameters:
    """The parameters of some samples."""
    tensors = {f.name: getattr(p, f.name)[rows] for f in fields(p) if f.name != "seeds"}
    return OrderParameters(**tensors, seeds=[p.seeds[i] for i in rows.tolist()])


def _noisy(images: Tensor, p: OrderParameters, sizes: tuple[Tensor, Tensor]) -> Tensor:
    images = images.clamp(0, 1)  # a cubic resize overshoots
    canvas = (images.shape[2], images.shape[3])
    noisy = add_gaussian_noise(images, p.gaussian, p.grey, p.seeds, hashed=True)
    noisy = add_poisson_noise(noisy, p.poisson, p.grey, p.seeds, inside(sizes, canvas))
    return noisy.clamp(0, 1)


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
