"""Downscaling with the kernels of other programs, with and without antialiasing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from train.degradation.checks import outside, refuse
from train.degradation.draws import RESAMPLING, generator
from train.degradation.resize import resize_by

Kernel = Literal["area", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class Resampling:
    """Downscaling methods other than antialiased bicubic."""

    share: float = 0.0
    """Share of samples."""
    kernels: tuple[Kernel, ...] = ("area", "bilinear", "bicubic", "lanczos")
    """Kernels to draw from."""
    aliased: float = 0.5
    """Share of these samples without antialiasing; `area` then takes the nearest pixel."""

    def __post_init__(self) -> None:
        none = [] if self.kernels else ["kernels names none"]
        refuse(self, outside(self, ["share", "aliased"], 0, 1), none)

    def sample(
        self, seed: int, step: int, samples: Sequence[int]
    ) -> tuple["Resampled | None", ...]:
        """Draws the method of each sample, None for antialiased bicubic; () if `share` is 0."""
        if self.share == 0:
            return ()
        return tuple(self._draw(generator(seed, step, s, RESAMPLING)) for s in samples)

    def _draw(self, rng: np.random.Generator) -> "Resampled | None":
        if rng.random() >= self.share:
            return None
        kernel = self.kernels[int(rng.integers(len(self.kernels)))]
        return Resampled(kernel, bool(rng.random() >= self.aliased))


@dataclass(frozen=True)
class Resampled:
    """One downscaling method.

    Attributes:
        kernel: Name in `train.degradation.resize.KERNELS`.
        antialias: Whether the kernel is widened to cover all pixels.
    """

    kernel: Kernel
    antialias: bool

    def resize(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Resizes images (B, 3, sH, sW) to (height, width); the result is not clamped."""
        return resize_by(images, size, self.kernel, antialias=self.antialias)

    def describe(self) -> str:
        """Describes the draw in words."""
        if self.antialias:
            return f"{self.kernel} downscale"
        return "nearest downscale" if self.kernel == "area" else f"{self.kernel} downscale, aliased"
