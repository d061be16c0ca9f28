"""GIF and animated WebP as they are read: frames of any duration, some transparent, no sound."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import VideoError
from ..reading import reading
from .colour import Colour
from .film import Facts, Frame

if TYPE_CHECKING:
    import av
    from av.container.core import Chapter

_MILLISECOND = Fraction(1, 1000)
_LARGEST_DIVISOR = 1001  # of a rate
_UNSAID = 100  # milliseconds; browsers show frames that say 0 for so long


@dataclass(frozen=True)
class AnimationFile:
    """A GIF or WebP file; see `kdsr.video.film.Film`.

    Raises:
        VideoError: On use, if it is damaged.
    """

    file: Path

    def facts(self) -> Facts:
        """Reads all durations, which in these files stand with the frames."""
        with self._image() as image:
            durations = [duration for _, duration in _durations(image)]
            seconds = sum(durations) * _MILLISECOND
            return Facts(
                height=image.height,
                width=image.width,
                frames=len(durations),
                rate=(len(durations) / seconds).limit_denominator(_LARGEST_DIVISOR),
                tick=_MILLISECOND,
                precision=Fraction(0),
                aspect=Fraction(1),
                colour=Colour.of_images(),
                metadata={},
                plays=_plays(image),
            )

    @contextmanager
    def open(self, *, pictures: bool = True) -> "Iterator[AnimationReading]":
        """Begins to read.

        Args:
            pictures: Or else nothing, as there are no other streams.
        """
        with self._image() as image:
            yield AnimationReading(image if pictures else None)

    @contextmanager
    def _image(self) -> Iterator[Image.Image]:
        with reading(self.file, VideoError, "the animation is damaged or truncated"):
            image = Image.open(self.file, formats=("GIF", "WEBP"))
        with image:
            yield image


class AnimationReading:
    """See `kdsr.video.film.Reading`."""

    def __init__(self, image: Image.Image | None) -> None:
        self.image = image
        self.sound: tuple[av.AudioStream, ...] = ()
        self.left_out: tuple[av.AudioStream, ...] = ()
        self.chapters: list[Chapter] = []

    def __iter__(self) -> Iterator[Frame]:
        """The frames, whole: what a file says of changes alone is put together."""
        if self.image is None:
            return
        time = Fraction(0)
        for index, milliseconds in _durations(self.image):
            duration = milliseconds * _MILLISECOND
            yield Frame(partial(self._decode, index), time, duration)
            time += duration

    def _decode(self, index: int) -> Tensor:
        assert self.image is not None
        self.image.seek(index)
        pixels = torch.from_numpy(np.array(self.image.convert("RGBA")))
        values = pixels.movedim(-1, 0)[None].contiguous().float() / 255
        return values if (values[:, 3] < 1).any() else values[:, :3]


def _durations(image: Image.Image) -> Iterator[tuple[int, int]]:
    """(index, milliseconds) of every frame."""
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        image.load()  # WebP says it of what is decoded only
        yield index, round(image.info.get("duration", 0)) or _UNSAID


def _plays(image: Image.Image) -> int:
    """How often it is shown. GIF counts repeats, and says nothing for once; WebP counts all."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return loop or 0
    return 1 if loop is None else loop and loop + 1
