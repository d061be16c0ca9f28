"""Test protocols: the degradations that are applied to each image of a set."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.classic import ClassicDegradation, ClassicOptions, ClassicParameters
from train.degradation.general import GeneralDegradation, GeneralOptions, GeneralParameters
from train.degradation.pipelines import Degradation
from train.degradation.realworld import RealWorldDegradation, RealWorldOptions

_GAUSSIAN8 = {  # the paper has no x1
    2: [0.9 + 0.1 * i for i in range(8)],
    3: [1.35 + 0.15 * i for i in range(8)],
    4: [1.8 + 0.2 * i for i in range(8)],
}
# Width 0 is bicubic downscaling alone.
_DASR_WIDTHS = {2: [0, 0.6, 1.2, 1.8], 3: [0, 0.8, 1.6, 2.4], 4: [0, 1.2, 2.4, 3.6]}
_DASR_KERNELS = [
    (2, 0.2, 0), (2, 1, 10), (3.5, 1.5, 30), (3.5, 2, 45), (3.5, 2, 90),
    (4, 1.5, 120), (4, 2, 135), (4, 3, 165), (4, 4, 180),
]  # fmt: skip
# KDSR's Table 2 shows its kernels as icons; these values are fitted to the icons.
_KDSR_KERNELS = [
    (4, 1, 0), (3.5, 1.5, 20), (3, 2, 42), (2.5, 2.5, 0), (3, 2, 0),
    (3.5, 1.5, 20), (4, 1, 40), (3.5, 2.5, 60), (4, 4, 0),
]  # fmt: skip
_SEED = 20_230_501
_DRAWS = 4  # number of random degradations of each image


@dataclass(frozen=True)
class Case:
    """One degradation of a protocol.

    Attributes:
        name: Name for tables.
        degrade: Maps a GT image (1, 3, sH, sW) and its number in the set to LQ (1, 3, H, W).
    """

    name: str
    degrade: Callable[[Tensor, int], Tensor]


def protocol(name: str, scale: int) -> list[Case]:
    """Makes the cases of a protocol.

    Args:
        name: "gaussian8": isotropic blur, the paper's Table 1. "iso4": isotropic blur of DASR's
            four widths (its Table 2), which most later papers use. "aniso9": DASR's nine kernels
            with noise 0, 5, 10. "aniso9-kdsr": the kernels of KDSR's Table 2 with noise 0, 10, 20.
            "general" and "realworld": four fixed draws of these pipelines per image.
        scale: Downscaling factor, 1 to 4. "aniso9" and "aniso9-kdsr" need 4, "gaussian8" and
            "iso4" at least 2.

    Raises:
        ConfigError: If the protocol does not exist at this scale.
    """
    if name == "gaussian8" and scale in _GAUSSIAN8:
        return [_classic(f"sigma {sigma:.2f}", scale, sigma, sigma) for sigma in _GAUSSIAN8[scale]]
    if name == "iso4" and scale in _DASR_WIDTHS:
        return [_classic(f"width {width:g}", scale, width, width) for width in _DASR_WIDTHS[scale]]
    if name in ("aniso9", "aniso9-kdsr") and scale == 4:
        kernels, noises = (
            (_DASR_KERNELS, (0, 5, 10)) if name == "aniso9" else (_KDSR_KERNELS, (0, 10, 20))
        )
        return [
            _classic(f"kernel {i} ({a:g}, {b:g}, {angle}) noise {n}", scale, a, b, angle, n)
            for n in noises
            for i, (a, b, angle) in enumerate(kernels, 1)
        ]
    if name == "general":
        pipeline = GeneralDegradation(GeneralOptions(), scale)
        return [_draw(pipeline, draw) for draw in range(_DRAWS)]
    if name == "realworld":
        pipeline = RealWorldDegradation(RealWorldOptions(), scale)
        return [_draw(pipeline, draw) for draw in range(_DRAWS)]
    raise ConfigError(
        f"no protocol {name!r} at x{scale}; choose general, realworld, gaussian8 or iso4 (x2 "
        "to x4) or, at x4, aniso9 or aniso9-kdsr"
    )


def _classic(
    name: str, scale: int, long: float, short: float, degrees: float = 0, noise: float = 0
) -> Case:
    pipeline = ClassicDegradation(ClassicOptions(), scale)
    numbers = (torch.tensor([float(x)]) for x in (long, short, math.radians(degrees), noise))
    sigma_long, sigma_short, angle, strength = numbers

    def degrade(gt: Tensor, index: int) -> Tensor:
        drawn = ClassicParameters(sigma_long, sigma_short, angle, strength, [_SEED + index])
        return pipeline.apply(gt, drawn)

    return Case(name, degrade)


def _draw(pipeline: Degradation, draw: int) -> Case:
    def degrade(gt: Tensor, index: int) -> Tensor:
        return pipeline.apply(gt, pipeline.sample(_SEED, draw, [index]))

    return Case(f"draw {draw + 1}", degrade)


def fixed(
    scale: int,
    *,
    blur: float = 0.0,
    noise: float = 0.0,
    quality: float = 0.0,
    seed: int = _SEED,
) -> Callable[[Tensor], Tensor]:
    """Makes a fixed degradation of the general pipeline, for references and demonstrations.

    Args:
        scale: Downscaling factor.
        blur: Standard deviation of the blur in GT pixels; 0 for none.
        noise: Standard deviation of the noise, 0-255.
        quality: JPEG quality, 1 to 100; 0 for none.
        seed: Seed of the noise.

    Returns:
        A function that maps GT (B, 3, sH, sW) to LQ (B, 3, H, W).
    """
    pipeline = GeneralDegradation(GeneralOptions(), scale)

    def degrade(gt: Tensor) -> Tensor:
        def full(value: float) -> Tensor:
            return torch.full((len(gt),), float(value))

        seeds = [seed + i for i in range(len(gt))]
        numbers = (full(blur), full(blur), full(0), full(noise), full(0).bool(), full(quality))
        return pipeline.apply(gt, GeneralParameters(*numbers, seeds))

    return degrade
