"""Random crops of the cached photographs, made on the training device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.data.cache import CachedImage, ImageCache
from train.data.patterns import draw_pattern
from train.degradation.draws import CROPS, generator


@dataclass(frozen=True)
class Place:
    """Position and orientation of a crop.

    Attributes:
        image: Number of the image in the cache.
        top: First row.
        left: First column.
        turns: Number of quarter turns.
        mirrored: Whether the crop is flipped after the turns.
    """

    image: int
    top: int
    left: int
    turns: int
    mirrored: bool

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        cumulative: np.ndarray,
        index: Sequence[CachedImage],
        size: int,
    ) -> "Place":
        """Draws a place.

        Args:
            rng: Random generator.
            cumulative: Cumulative shares of the images; see `shares_of_area`.
            index: Images, none smaller than a crop.
            size: Side of the crop in pixels.
        """
        u = rng.random(5)
        image = min(int(np.searchsorted(cumulative, u[0])), len(index) - 1)
        top = int(u[1] * (index[image].height - size + 1))
        left = int(u[2] * (index[image].width - size + 1))
        return cls(image, top, left, int(u[3] * 4), bool(u[4] < 0.5))

    def cut(self, pixels: Tensor, size: int, scale: int = 1) -> Tensor:
        """Cuts the crop out of an image, which may be `scale` times larger than the drawn one.

        Args:
            pixels: Image (sH, sW, 3).
            size: Side of the crop in the smaller image, pixels.
            scale: Size of this image relative to the drawn one.
        """
        top, left, side = self.top * scale, self.left * scale, size * scale
        crop = torch.rot90(pixels[top : top + side, left : left + side], self.turns)
        return crop.flip(1) if self.mirrored else crop


def shares_of_area(index: Sequence[CachedImage]) -> np.ndarray:
    """Cumulative shares of the images in their total area, (N,); the last is 1."""
    areas = np.array([entry.height * entry.width for entry in index], dtype=np.float64)
    return np.cumsum(areas) / areas.sum()


class CropSampler:
    """Draws random crops with flips and quarter turns, as a function of (seed, step, sample).

    Images are drawn in proportion to their area.

    Args:
        cache: Decoded photographs, none smaller than a crop.
        seed: Seed of the run.
        patterns: Share of crops with a drawn pattern, 0 to 1; see `train.data.patterns`.
    """

    def __init__(self, cache: ImageCache, seed: int, patterns: float = 0.0) -> None:
        self.cache, self.seed, self.patterns = cache, seed, patterns
        self.cumulative = shares_of_area(cache.index)

    def batch(self, step: int, samples: Sequence[int], size: int, device: torch.device) -> Tensor:
        """Crops of the given samples of a step: (B, 3, size, size) in [0, 1] on `device`."""
        return as_batch([self._crop(step, sample, size) for sample in samples], device)

    def _crop(self, step: int, sample: int, size: int) -> Tensor:
        place, drawn, rng = self._choices(step, sample, size)
        crop = place.cut(self.cache.image(place.image), size)
        return draw_pattern(crop, rng) if drawn else crop

    def is_drawn(self, step: int, sample: int, size: int) -> bool:
        """Whether the crop of a sample has a drawn pattern."""
        return self._choices(step, sample, size)[1]

    def _choices(
        self, step: int, sample: int, size: int
    ) -> tuple[Place, bool, np.random.Generator]:
        """Place of a crop, whether it gets a pattern, and the generator for further draws."""
        rng = generator(self.seed, step, sample, CROPS)
        place = Place.draw(rng, self.cumulative, self.cache.index, size)
        return place, self.patterns > 0 and rng.random() < self.patterns, rng


def as_batch(crops: Sequence[Tensor], device: torch.device) -> Tensor:
    """Stacks crops (size, size, 3), uint8, into (B, 3, size, size) in [0, 1] on `device`."""
    return torch.stack(list(crops)).to(device).permute(0, 3, 1, 2).float().div_(255).contiguous()
