"""GIF and animated WebP as they are written, from PNG pictures of their frames."""

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from .encoding import Coded
from .pyav import WRITING, explained, load_av

if TYPE_CHECKING:
    import av

_CENTISECOND = Fraction(1, 100)
_OPAQUE = 128  # of 255; a GIF knows all or nothing
_HIDDEN = 255  # the last colour of a palette


class Animation(NamedTuple):
    """What is written."""

    pictures: Callable[[], Iterator[Coded]]
    """PNG files of its frames, from the first on."""
    durations: list[Fraction]
    """Seconds that each is shown for."""
    plays: int
    """How often it is shown; 0 is without end."""


def write_gif(path: Path, animation: Animation) -> None:
    """Writes a GIF, each frame with a palette of its own; opacity becomes all or nothing.

    Args:
        path: Of any name.
        animation: With at least one frame.

    Raises:
        VideoError: If it cannot be written.
    """
    loop = {0: 0, 1: -1}.get(animation.plays, animation.plays - 1)  # repeats; -1 is none
    ends = _centiseconds(animation.durations)
    options = {"loop": f"{loop}", "final_delay": f"{ends[-1] - ends[-2]}"}
    with (
        explained(WRITING),
        load_av().open(str(path), "w", format="gif", options=options) as output,
    ):
        video = output.add_stream("gif")
        context = video.codec_context
        context.pix_fmt, context.time_base = "pal8", _CENTISECOND
        for shown, picture in zip(ends, animation.pictures(), strict=False):
            image = _opened(picture)
            if not shown:
                context.height, context.width = image.height, image.width
            frame = _paletted(image)
            frame.pts, frame.time_base = shown, _CENTISECOND
            output.mux(video.encode(frame))
        output.mux(video.encode(None))


def write_webp(path: Path, animation: Animation, quality: int) -> None:
    """Writes an animated WebP.

    Args:
        path: Of any name.
        animation: With at least one frame.
        quality: 1-100.

    Raises:
        OSError: If it cannot be written.
    """
    ends = [0]
    for total in _totals(animation.durations):
        ends.append(max(round(total * 1000), ends[-1] + 1))
    durations = [after - before for before, after in pairwise(ends)]
    film = _Pictures(animation.pictures(), len(durations))
    with path.open("wb") as file:
        film.save(
            file,
            "WEBP",
            save_all=True,
            duration=durations,
            loop=animation.plays,
            quality=quality,
            method=4,
        )


class _Pictures(Image.Image):
    """An image of several frames to Pillow, of which one is in memory at a time."""

    def __init__(self, pictures: Iterator[Coded], count: int) -> None:
        super().__init__()
        self._pictures = pictures
        self.n_frames = count
        self._at = -1
        self.seek(0)

    def tell(self) -> int:
        """The frame that it shows."""
        return self._at

    def seek(self, frame: int) -> None:
        """Shows the next; going back, which Pillow does when all is done, changes nothing."""
        if frame <= self._at:
            return
        self._at = frame
        image = _opened(next(self._pictures))
        self.im, self._mode, self._size = image.im, image.mode, image.size


def _opened(picture: Coded) -> Image.Image:
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    return image


def _totals(durations: list[Fraction]) -> Iterator[Fraction]:
    total = Fraction(0)
    for duration in durations:
        total += duration
        yield total


def _centiseconds(durations: list[Fraction]) -> list[int]:
    """When each frame begins, and the last one ends, in a GIF's unit."""
    ends = [0]
    for total in _totals(durations):
        ends.append(max(round(total * 100), ends[-1] + 1))
    return ends


def _paletted(image: Image.Image) -> "av.VideoFrame":
    """As a frame of at most 255 colours, dithered, and one for what is transparent."""
    quantized = image.convert("RGB").quantize(_HIDDEN, method=Image.Quantize.MEDIANCUT)
    indices = np.array(quantized)
    palette = np.zeros((256, 4), dtype=np.uint8)  # BGRA
    colours = np.array(quantized.getpalette(), dtype=np.uint8).reshape(-1, 3)[:_HIDDEN]
    palette[: len(colours), :3], palette[:_HIDDEN, 3] = colours[:, ::-1], 255
    if image.mode == "RGBA":
        indices[np.array(image.getchannel("A")) < _OPAQUE] = _HIDDEN
    frame = load_av().VideoFrame(image.width, image.height, "pal8")
    plane = frame.planes[0]
    rows = np.zeros((image.height, plane.line_size), dtype=np.uint8)
    rows[:, : image.width] = indices
    plane.update(rows.tobytes())
    frame.planes[1].update(palette.tobytes())
    return frame
