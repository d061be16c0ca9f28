"""Optional degradation steps beside blur, noise and JPEG, each applied with a given probability.

By default all shares are 0, and a pipeline works as if the steps did not exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor

from kdsr.errors import ConfigError
from kdsr.pixels import on_grid
from train.degradation.banding import Banding
from train.degradation.chroma import ChromaSubsampling
from train.degradation.codecs import Codecs
from train.degradation.draws import MORE, generator
from train.degradation.grain import Grain
from train.degradation.interlacing import Interlacing
from train.degradation.sharpening import Sharpening
from train.degradation.video import Video

StepName = Literal["interlacing", "sharpening", "grain", "chroma", "banding", "codecs", "video"]


class Drawn(Protocol):
    """A step with drawn parameters."""

    def apply(self, images: Tensor) -> Tensor:
        """Degrades images (B, 3, H, W) in [0, 1]; keeps their size."""
        ...

    def describe(self) -> str:
        """Describes the draw in words."""
        ...


class Step(Protocol):
    """Options of a step."""

    @property
    def share(self) -> float:
        """Share of samples."""
        ...

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Draws its parameters."""
        ...


@dataclass(frozen=True)
class MoreOptions:
    """Further degradation steps of LQ images; each has a `share`, 0 by default."""

    interlacing: Interlacing = field(default_factory=Interlacing)
    """Doubled lines and combs of old video."""
    sharpening: Sharpening = field(default_factory=Sharpening)
    """Sharpening halos along edges."""
    grain: Grain = field(default_factory=Grain)
    """Film grain."""
    chroma: ChromaSubsampling = field(default_factory=ChromaSubsampling)
    """Chroma at half the resolution."""
    banding: Banding = field(default_factory=Banding)
    """Colour banding."""
    codecs: Codecs = field(default_factory=Codecs)
    """WebP, AVIF and JPEG 4:4:4."""
    video: Video = field(default_factory=Video)
    """Frames of H.264 and HEVC video."""
    order: tuple[StepName, ...] = get_args(StepName)
    """Order of the steps; omitted steps never run."""

    def __post_init__(self) -> None:
        if len(set(self.order)) < len(self.order):
            raise ConfigError(f"more.order names a step twice: {', '.join(self.order)}")

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> "Drawings":
        """Draws the steps of each given sample, in order; () if all shares are 0.

        Each step has its own stream of random numbers, so its share does not affect other steps.
        """
        if not any(getattr(self, name).share for name in self.order):
            return ()
        return tuple(
            tuple(
                drawn
                for name in self.order
                if (drawn := draw(getattr(self, name), seed, step, sample, _STREAMS[name]))
            )
            for sample in samples
        )


Drawings = tuple[tuple[Drawn, ...], ...]
"""Drawn steps of each sample of a batch."""
_STREAMS = {name: MORE + i for i, name in enumerate(get_args(StepName))}


def draw(ranges: Step, seed: int, step: int, sample: int, stream: int) -> Drawn | None:
    """Draws a step's parameters for a sample, or None if the draw omits the step."""
    rng = generator(seed, step, sample, stream)
    return ranges.sample(rng) if rng.random() < ranges.share else None


def apply_more(lq: Tensor, drawings: Drawings) -> Tensor:
    """Applies drawn steps.

    Args:
        lq: LQ images (B, 3, H, W) in [0, 1].
        drawings: Steps of each sample; see `MoreOptions.sample`.

    Returns:
        Images (B, 3, H, W) in [0, 1]; changed samples are on the 8-bit grid.
    """
    if not drawings:
        return lq
    rows = []
    for image, steps in zip(lq[:, None], drawings, strict=True):
        made = image
        for step in steps:
            made = step.apply(made)
        rows.append(on_grid(made) if steps else made)
    return torch.cat(rows)


def describe_more(drawings: Drawings, count: int) -> list[str]:
    """Describes the steps of each of `count` samples: "" or, for example, ", grain 7, 0.5 px"."""
    if not drawings:
        return [""] * count
    return ["".join(f", {step.describe()}" for step in steps) for steps in drawings]
