"""Downscaling by other programs: other kernels, with and without antialiasing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.checks import require_shares
from train.degradation.draws import RESAMPLING, generator
from train.degradation.resize import resize_by

Kernel = Literal["area", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class Resampling:
    """Other ways to the LQ size than antialiased bicubic."""

    share: float = 0.0
    """Share of samples."""
    kernels: tuple[Kernel, ...] = ("area", "bilinear", "bicubic", "lanczos")
    """To draw from."""
    aliased: float = 0.5
    """Share of those that drop pixels instead of averaging them; `area` is then the nearest one."""

    def __post_init__(self) -> None:
        require_shares(self, "share", "aliased")
        if not self.kernels:
            raise ConfigError("resampling.kernels names none")

    def sample(
        self, seed: int, step: int, samples: Sequence[int]
    ) -> tuple["Resampled | None", ...]:
        """Draws the way of each sample of a step, None for antialiased bicubic; () for all so."""
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
    """One way to a smaller size.

    Attributes:
        kernel: One of `train.degradation.resize.KERNELS`.
        antialias: Whether it covers all pixels.
    """

    kernel: Kernel
    antialias: bool

    def resize(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, 3, sH, sW) in [0, 1] -> (B, 3, H, W), not clamped."""
        return resize_by(images, size, self.kernel, antialias=self.antialias)

    def describe(self) -> str:
        """Says what was drawn, in words."""
        if self.antialias:
            return f"{self.kernel} downscale"
        return "nearest downscale" if self.kernel == "area" else f"{self.kernel} downscale, aliased"
