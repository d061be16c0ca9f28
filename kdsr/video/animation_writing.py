"""Animated GIF, WebP, PNG and AVIF as they are written, from PNG pictures of their frames."""

import io
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, features

from ..errors import VideoError
from ..files.blocks import write_chunk
from ..files.decoded_image import Metadata
from .encoding import Coded
from .pyav import WRITING, explained, load_av

if TYPE_CHECKING:
    import av

_OPAQUE = 128  # of 255; a GIF knows all or nothing
_HIDDEN = 255  # the last colour of a palette
_MILLISECOND = Fraction(1, 1000)
_PNG_HEADER = 33  # bytes before the other chunks
_FLAGS, _ALPHA = 20, 0x10  # of a WebP file that is animated: which byte, and which bit of it


class Animation(NamedTuple):
    """The animation to write."""

    pictures: Iterable[Coded]
    """PNG files of its frames."""
    durations: list[Fraction]
    """Seconds that each is shown for."""
    plays: int
    """Number of times that it is shown; 0 for endless."""
    transparent: bool
    """Something in it is."""
    about: Metadata = Metadata()
    """Metadata, as far as the format supports it."""
    lossless: bool = False
    """Keep every value, in WebP: the others do, or never do."""


def write_animation(path: Path, form: str, animation: Animation, quality: int) -> None:
    """Writes an animation.

    Args:
        path: Path of the file, with any suffix.
        form: gif (each frame gets a palette of its own, opacity becomes all or nothing), apng, webp
            or avif.
        animation: Animation with at least one frame.
        quality: 1-100, of WebP and AVIF.

    Raises:
        VideoError: If it cannot be written.
    """
    if form == "gif":
        tick = Fraction(1, 100)
        repeats = {0: 0, 1: -1}.get(animation.plays, animation.plays - 1)  # 0: no end, -1: none
        ends = _ends(animation.durations, tick)
        options = {"loop": f"{repeats}", "final_delay": f"{ends[-1] - ends[-2]}"}
        _encode(path, "gif", options, animation, tick, _paletted)
        if comment := animation.about.for_gif()[0]:
            _insert(path, _end_of_screen, _comment(comment))
    elif form == "apng":
        last = animation.durations[-1].limit_denominator(65_535)
        options = {"plays": f"{animation.plays}", "final_delay": f"{last}"}
        framed = _clear if animation.transparent else _plain
        _encode(path, "apng", options, animation, Fraction(1, 1000), framed)
        chunks = io.BytesIO()
        for name, content in animation.about.for_png()[0]:
            write_chunk(chunks, name, content)
        _insert(path, lambda _: _PNG_HEADER, chunks.getvalue())
    else:
        _save(path, form, animation, quality)


def check_animation(form: str) -> None:
    """Refuses what this Pillow cannot write, before any work.

    Raises:
        VideoError: If it lacks the format.
    """
    if form in ("webp", "avif") and not features.check(form):
        raise VideoError(
            f"this Pillow cannot write {form.upper()}; update it (python -m pip install -U pillow) "
            "or name the result .png or .gif"
        )


def _encode(
    path: Path,
    form: str,
    options: dict[str, str],
    animation: Animation,
    tick: Fraction,
    framed: "Callable[[Image.Image], av.VideoFrame]",
) -> None:
    """Writes the file with FFmpeg."""
    shown = _ends(animation.durations, tick)
    with (
        explained(WRITING),
        load_av().open(str(path), "w", format=form, options=options) as output,
    ):
        video = output.add_stream(form)
        for time, picture in zip(shown, animation.pictures, strict=False):
            frame = framed(Image.open(io.BytesIO(picture.data)))
            if not time:
                context = video.codec_context
                context.height, context.width = frame.height, frame.width
                context.pix_fmt, context.time_base = frame.format.name, tick
            frame.pts, frame.time_base = time, tick
            output.mux(video.encode(frame))
        output.mux(video.encode(None))


def _save(path: Path, form: str, animation: Animation, quality: int) -> None:
    """Writes the file with Pillow, which takes one picture at a time from what seems a file."""
    times = _ends(animation.durations, _MILLISECOND)
    pictures, place = iter(animation.pictures), 0
    mode = "RGBA" if animation.transparent else "RGB"
    canvas = Image.open(io.BytesIO(next(pictures).data)).convert(mode)

    def seek(index: int) -> None:
        nonlocal place
        if index >= len(times) - 1:
            raise EOFError
        while place < index:
            canvas.paste(Image.open(io.BytesIO(next(pictures).data)).convert(mode))
            place += 1

    moving = {"n_frames": len(times) - 1, "is_animated": True, "seek": seek, "tell": lambda: 0}
    vars(canvas).update(moving)
    options: dict[str, Any] = {"method": 4} if form == "webp" else {}
    options |= {"lossless": True} if form == "webp" and animation.lossless else {}
    options |= animation.about.for_webp()[0]
    durations = [after - before for before, after in pairwise(times)]
    try:
        canvas.save(
            path, form, save_all=True, duration=durations, loop=animation.plays, quality=quality,
            **options,
        )  # fmt: skip
    except ValueError as error:  # of more pixels a side than the format has
        raise VideoError(f"{WRITING}: {error}") from None
    if form == "webp" and animation.transparent:
        _say_transparent(path)


def _insert(path: Path, place: Callable[[bytes], int], content: bytes) -> None:
    """Puts bytes into a file, at the place that its first bytes say."""
    if content:
        whole = path.read_bytes()
        at = place(whole[:16])
        with path.open("wb") as file:
            file.writelines((whole[:at], content, whole[at:]))


def _end_of_screen(head: bytes) -> int:
    """Start of a GIF's blocks, after its header and common palette."""
    return 13 + (3 << ((head[10] & 7) + 1) if head[10] & 0x80 else 0)


def _comment(text: bytes) -> bytes:
    """Encodes a comment as a block of GIF."""
    parts = (text[start : start + 255] for start in range(0, len(text), 255))
    return b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _say_transparent(path: Path) -> None:
    """Says what libwebp forgets where all that can be seen fills a rectangle: the rest is clear."""
    with path.open("r+b") as file:
        if file.read(_FLAGS + 1)[12:16] == b"VP8X":
            file.seek(_FLAGS)
            flags = file.read(1)[0]
            file.seek(_FLAGS)
            file.write(bytes([flags | _ALPHA]))


def _ends(durations: list[Fraction], tick: Fraction) -> list[int]:
    """Start of each frame, and end of the last one, in strictly rising ticks."""
    ends = [0]
    for total in accumulate(durations):
        ends.append(max(round(total / tick), ends[-1] + 1))
    return ends


def _clear(image: Image.Image) -> "av.VideoFrame":
    return load_av().VideoFrame.from_ndarray(np.array(image.convert("RGBA")), "rgba")


def _plain(image: Image.Image) -> "av.VideoFrame":
    return load_av().VideoFrame.from_ndarray(np.array(image.convert("RGB")), "rgb24")


def _paletted(image: Image.Image) -> "av.VideoFrame":
    """Converts a picture to 255 colours, dithered, and one for transparent pixels."""
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
