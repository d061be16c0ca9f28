"""GIF and animated WebP as they are written, from PNG pictures of their frames."""

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from .encoding import Coded
from .pyav import WRITING, explained, load_av

if TYPE_CHECKING:
    import av

_OPAQUE = 128  # of 255; a GIF knows all or nothing
_HIDDEN = 255  # the last colour of a palette
_CHUNK = struct.Struct("<4sI")
_FIRST_CHUNK = 12  # bytes of a WebP file before it
_FLAGS, _ALPHA = 20, 0x10  # of a WebP file that is animated: which byte, and which bit of it
_DURATION = 12  # bytes of a frame's chunk before its duration, which takes 3


class Animation(NamedTuple):
    """What is written."""

    pictures: Iterable[Coded]
    """PNG files of its frames."""
    durations: list[Fraction]
    """Seconds that each is shown for."""
    plays: int
    """How often it is shown; 0 is without end."""


def write_gif(path: Path, animation: Animation) -> None:
    """Writes a GIF, each frame with a palette of its own; opacity becomes all or nothing.

    Raises:
        VideoError: If it cannot be written.
    """
    ends = _ends(animation.durations, Fraction(1, 100))
    repeats = {0: 0, 1: -1}.get(animation.plays, animation.plays - 1)  # 0: no end, -1: none
    options = {"loop": f"{repeats}", "final_delay": f"{ends[-1] - ends[-2]}"}
    _encode(path, "gif", options, animation, Fraction(1, 100), _paletted)


def write_webp(path: Path, animation: Animation, quality: int) -> None:
    """Writes an animated WebP.

    Args:
        path: Of any name.
        animation: With at least one frame.
        quality: 1-100.

    Raises:
        VideoError: If it cannot be written.
    """
    tick = Fraction(1, 1000)
    options = {"loop": f"{animation.plays}"}
    coding = {"quality": f"{quality}"}
    transparent = _encode(path, "webp", options, animation, tick, _straight, coding)
    _mend_webp(path, _ends(animation.durations, tick)[-1], transparent=transparent)


def _encode(
    path: Path,
    form: str,
    options: dict[str, str],
    animation: Animation,
    tick: Fraction,
    framed: "Callable[[Image.Image], av.VideoFrame]",
    coding: dict[str, str] | None = None,
) -> bool:
    """Writes the file; returns whether something in it is transparent."""
    transparent = False
    encoder = {"gif": "gif", "webp": "libwebp_anim"}[form]
    shown = _ends(animation.durations, tick)
    with (
        explained(WRITING),
        load_av().open(str(path), "w", format=form, options=options) as output,
    ):
        video = output.add_stream(encoder, options=coding)
        for time, picture in zip(shown, animation.pictures, strict=False):
            image = Image.open(io.BytesIO(picture.data))
            transparent |= image.mode == "RGBA"
            frame = framed(image)
            if not time:
                context = video.codec_context
                context.height, context.width = frame.height, frame.width
                context.pix_fmt, context.time_base = frame.format.name, tick
            frame.pts, frame.time_base = time, tick
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return transparent


def _ends(durations: list[Fraction], tick: Fraction) -> list[int]:
    """When each frame begins, and the last one ends, in ticks that go up."""
    ends = [0]
    for total in accumulate(durations):
        ends.append(max(round(total / tick), ends[-1] + 1))
    return ends


def _straight(image: Image.Image) -> "av.VideoFrame":
    pixels = np.array(image.convert("RGBA"))
    return load_av().VideoFrame.from_ndarray(pixels, "rgba").reformat(format="bgra")


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


def _mend_webp(path: Path, end: int, *, transparent: bool) -> None:
    """Says what FFmpeg does not, or wrong.

    For the last frame's duration it puts the others' average. And where what is not transparent
    fills a rectangle, that alone is coded, and nothing in the file says that the rest is
    transparent.

    Args:
        path: The file.
        end: Milliseconds, of all frames together.
        transparent: Whether anything is.
    """
    content = bytearray(path.read_bytes())
    durations = [
        slice(place + _DURATION, place + _DURATION + 3) for place in _frame_chunks(content)
    ]
    if not durations:  # one frame: no animation, as libwebp sees it
        return
    before = sum(int.from_bytes(content[place], "little") for place in durations[:-1])
    content[durations[-1]] = max(1, end - before).to_bytes(3, "little")
    content[_FLAGS] |= _ALPHA if transparent else 0
    path.write_bytes(content)


def _frame_chunks(content: bytearray) -> Iterator[int]:
    """Where the contents of the chunks of a WebP's frames begin."""
    place = _FIRST_CHUNK
    while place + _CHUNK.size <= len(content):
        name, size = _CHUNK.unpack_from(content, place)
        place += _CHUNK.size
        if name == b"ANMF":
            yield place
        place += size + size % 2
