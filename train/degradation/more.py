"""Degradations that people meet beside blur, noise and JPEG: a step each, by chance and in order.

By default none has a share, and nothing is drawn: a pipeline does what it did without them.
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
    """A step with its parameters."""

    def apply(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> the same."""
        ...

    def describe(self) -> str:
        """Says what was drawn, in words."""
        ...


class Step(Protocol):
    """Ranges of a step."""

    @property
    def share(self) -> float:
        """Share of samples."""
        ...

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Draws its parameters."""
        ...


@dataclass(frozen=True)
class MoreOptions:
    """What else is done to an LQ image; each step has a `share`, 0 by default."""

    interlacing: Interlacing = field(default_factory=Interlacing)
    """Doubled lines and combs of old video."""
    sharpening: Sharpening = field(default_factory=Sharpening)
    """Halos along edges."""
    grain: Grain = field(default_factory=Grain)
    """Grain of film."""
    chroma: ChromaSubsampling = field(default_factory=ChromaSubsampling)
    """Colour at half the resolution."""
    banding: Banding = field(default_factory=Banding)
    """Too few levels."""
    codecs: Codecs = field(default_factory=Codecs)
    """WebP, AVIF, JPEG with full chroma."""
    video: Video = field(default_factory=Video)
    """Frames of H.264 and HEVC."""
    order: tuple[StepName, ...] = get_args(StepName)
    """Order of the steps; one that is left out never comes."""

    def __post_init__(self) -> None:
        if len(set(self.order)) < len(self.order):
            raise ConfigError(f"more.order names a step twice: {', '.join(self.order)}")

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> "Drawings":
        """Draws what happens to the given samples of a step, in order; () where none has a share.

        Each kind has random numbers of its own: a share changes nothing of the other kinds.
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
"""What happens to each sample of a batch."""
_STREAMS = {name: MORE + i for i, name in enumerate(get_args(StepName))}


def draw(ranges: Step, seed: int, step: int, sample: int, stream: int) -> Drawn | None:
    """A step's parameters for a sample, or None where chance leaves it out."""
    rng = generator(seed, step, sample, stream)
    return ranges.sample(rng) if rng.random() < ranges.share else None


def apply_more(lq: Tensor, drawings: Drawings) -> Tensor:
    """Does what was drawn.

    Args:
        lq: (B, 3, H, W) in [0, 1].
        drawings: See `MoreOptions.sample`; empty for nothing at all.

    Returns:
        (B, 3, H, W) in [0, 1], on the 8-bit grid where something was done.
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
    """What follows in the words for each of `count` samples: "" or ", grain 7, 0.5 px"."""
    if not drawings:
        return [""] * count
    return ["".join(f", {step.describe()}" for step in steps) for steps in drawings]
