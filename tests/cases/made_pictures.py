"""Pictures that are no photographs, made by code: what people upscale every day.

Every picture is a function of its kind and number, so that a failure can be looked at:

    python -m tests.cases.made_pictures FOLDER
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tests.support.places import ROOT

from . import pages, patterns
from .pages import SIZE

_PHOTOGRAPHS = (
    "bricks", "collage", "dandelion", "example", "generated", "lake", "osprey", "otter",
)  # fmt: skip
"""By name: a new sample changes no picture here."""
_ALONE: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    name: getattr(pages, name)
    for name in (
        "sheet_music", "ruled_paper", "hatching", "engraving", "matrix_label", "city_map", "chart",
        "screen", "editor", "pixel_font", "poster",
    )
} | {
    name: getattr(patterns, name)
    for name in (
        "sprites", "dithered_game", "screentone", "gradient", "noise", "checkerboard",
    )
}  # fmt: skip
_OF_PHOTOGRAPHS: dict[str, Callable[[np.random.Generator, Image.Image], Image.Image]] = {
    name: getattr(patterns, name)
    for name in (
        "scanlines", "halftone", "dithered_photograph", "mesh", "subtitles", "half_hatched",
    )
}  # fmt: skip
KINDS = (*_ALONE, *_OF_PHOTOGRAPHS)
EACH = 14
"""Pictures of a kind; half of them have a photograph beside them."""


@dataclass(frozen=True)
class MadePicture:
    """One picture."""

    kind: str
    """One of `KINDS`."""
    number: int
    """0 to `EACH` - 1."""

    def __str__(self) -> str:
        return f"{self.kind}-{self.number}"

    def image(self) -> Image.Image:
        """RGB, 144 x 96 px, twice as wide with its photograph."""
        rng = np.random.default_rng([KINDS.index(self.kind), self.number])
        photograph = _photograph(rng)
        if self.kind in _ALONE:
            image = _ALONE[self.kind](rng)
        else:
            image = _OF_PHOTOGRAPHS[self.kind](rng, photograph)
        if self.number % 2 == 0:
            return image
        pair = Image.new("RGB", (2 * SIZE[0], SIZE[1]))
        pair.paste(image, (0, 0))
        pair.paste(_photograph(rng), (SIZE[0], 0))
        return pair

    def lq(self) -> Tensor:
        """(1, 3, H, W) in [0, 1]."""
        pixels = np.asarray(self.image().convert("RGB"), dtype=np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def all_pictures() -> list[MadePicture]:
    """Every kind, every number; the first of each kind first."""
    return [MadePicture(kind, number) for number in range(EACH) for kind in KINDS]


def _photograph(rng: np.random.Generator) -> Image.Image:
    """A part of one of the sample photographs, made half as large: clean and sharp."""
    name = _PHOTOGRAPHS[int(rng.integers(len(_PHOTOGRAPHS)))]
    with Image.open(ROOT / "samples" / f"{name}.png") as file:
        image = file.convert("RGB")
    width, height = 2 * SIZE[0], 2 * SIZE[1]
    if image.width < width or image.height < height:
        return image.resize(SIZE, Image.Resampling.BICUBIC)
    left, top = (
        int(rng.integers(0, room + 1)) for room in (image.width - width, image.height - height)
    )
    part = image.crop((left, top, left + width, top + height))
    return part.resize(SIZE, Image.Resampling.BICUBIC)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for picture in all_pictures():
        picture.image().save(folder / f"{picture}.png")
