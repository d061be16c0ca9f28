"""Animated GIF, WebP, PNG and AVIF as they are read: frames of any duration."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from ..errors import ImageError, VideoError, reading
from ..files.blocks import Blocks, blocks_of, named_colours, read_chunks
from ..files.decoded_image import Metadata
from ..files.deep_color import bits_of
from ..files.metadata_reading import read_metadata
from ..files.opening import is_lossless_webp
from ..files.profiles import profile_for
from .colour import Colour
from .film import Facts, Frame, Missing

if TYPE_CHECKING:
    import av
    from av.container.core import Chapter

_MILLISECOND = Fraction(1, 1000)
_TICK = Fraction(1, 90_000)  # APNG and AVIF say durations as fractions, Pillow as milliseconds
_LARGEST_DIVISOR = 1001  # of a rate
_UNSAID = 100  # milliseconds; browsers show frames that say 0 for so long
_LARGEST_AVIF = 1 << 30  # bytes that a cut one is filled up to: Pillow holds it all
_DAMAGED = (
    EOFError, OSError, ValueError, SyntaxError, IndexError, RuntimeError, struct.error,
)  # fmt: skip
"""Errors that Pillow's decoders raise at the end of a file, and at damage."""
_FORMATS = ("GIF", "WEBP", "PNG", "AVIF")
PALE = "its HDR colours (it will look pale)"
"""What is said of colours that an animation cannot name."""


@dataclass(frozen=True)
class AnimationFile:
    """A file of moving pictures without sound; see `kdsr.video.film.Film`.

    Raises:
        VideoError: On use, if nothing of it can be read.
    """

    file: Path

    def facts(self) -> Facts:
        """Reads all durations, which in these files stand with the frames."""
        with self._image() as image:
            durations, transparent = [], False
            for _, duration in self._durations(image):
                durations.append(duration)
                transparent = transparent or _is_transparent(image)
            seconds = sum(durations, Fraction(0))
            about, unsaid = _about(self.file, image)
            return Facts(
                height=image.height,
                width=image.width,
                frames=len(durations),
                rate=(len(durations) / seconds).limit_denominator(_LARGEST_DIVISOR),
                tick=_MILLISECOND if image.format in ("GIF", "WEBP") else _TICK,
                precision=Fraction(0),
                aspect=Fraction(1),
                colour=Colour.of_images(transparent=transparent),
                metadata={},
                plays=_plays(image),
                about=about,
                lossless=image.format == "WEBP" and is_lossless_webp(self.file),
                left_out=unsaid,
            )

    @contextmanager
    def open(self, *, pictures: bool = True) -> "Iterator[AnimationReading]":
        """Begins to read.

        Args:
            pictures: Whether to read pictures; there are no other streams.
        """
        with self._image() as image:
            yield AnimationReading(self, image if pictures else None)

    @cached_property
    def profile(self) -> bytes | None:
        """Colour information of the file, other than a profile."""
        try:
            return profile_for(named_colours(self.file), grey=False)
        except ImageError:  # PQ or HLG: the facts say so
            return None

    @cached_property
    def _blocks(self) -> Blocks | None:
        return blocks_of(self.file)

    def missing(self) -> Missing:
        """Frames that the file promises and has not; GIF and WebP do not say how many."""
        with self._image() as image:
            found, form = sum(1 for _ in self._durations(image)), image.format
        left = max(0, self._blocks.promised - found) if self._blocks is not None else 0
        return Missing(end=left > 0) if form in ("GIF", "WEBP") else Missing(left)

    @contextmanager
    def _image(self) -> Iterator[Image.Image]:
        with reading(self.file, VideoError, "the animation is damaged or truncated"):
            image = Image.open(self._source(), formats=_FORMATS)
        with image:
            yield image

    def _source(self) -> Path | io.BytesIO:
        """The file; one that is cut as libwebp and libavif take it: the frames that are there.

        Of a WebP these are put together anew, an AVIF is filled up to the size that it had.
        """
        content, blocks = b"", self._blocks
        if blocks and not blocks.whole:
            content = self.file.read_bytes()
        if content and blocks and blocks.pictures and 0 < blocks.size <= _LARGEST_AVIF:
            return io.BytesIO(content.ljust(blocks.size, b"\0"))
        if content[:4] != b"RIFF":
            return self.file
        end = 12
        while (after := end + 8) <= len(content):
            after += int.from_bytes(content[end + 4 : after], "little") + 1 & ~1
            if after > len(content):
                break
            end = after
        return io.BytesIO(b"RIFF" + struct.pack("<I", end - 8) + content[8:end])

    def _durations(self, image: Image.Image) -> Iterator[tuple[int, Fraction]]:
        """(index, seconds) of every frame that can be read; decoders throw anything at the rest."""
        first = int(getattr(image, "default_image", False))  # a PNG's picture for old programs
        whole = self._blocks is None or self._blocks.whole
        most = None if whole else self._blocks.pictures  # pyright: ignore[reportOptionalMemberAccess]
        index = first
        while most is None or index - first < max(most, 1):
            try:
                image.seek(index)
                image.load()  # WebP says its duration of what is decoded only
            except _DAMAGED as error:
                if index == first:
                    raise VideoError(f"the animation is damaged or truncated ({error})") from None
                return
            said = Fraction(image.info.get("duration", 0)).limit_denominator(_LARGEST_DIVISOR)
            yield index, (said or _UNSAID) * _MILLISECOND
            index += 1


class AnimationReading:
    """Reads the frames; see `kdsr.video.film.Reading`."""

    damaged = 0

    def __init__(self, file: AnimationFile, image: Image.Image | None) -> None:
        self.file = file
        self.image = image
        self.sound: tuple[av.AudioStream, ...] = ()
        self.left_out: tuple[av.AudioStream, ...] = ()
        self.chapters: list[Chapter] = []

    def __iter__(self) -> Iterator[Frame]:
        """The frames, whole: what a file says of changes alone is put together."""
        if self.image is None:
            return
        time = Fraction(0)
        for index, duration in self.file._durations(self.image):
            yield Frame(partial(self._decode, index), time, duration)
            time += duration

    def missing(self) -> Missing:
        """See `AnimationFile.missing`."""
        return self.file.missing()

    def _decode(self, index: int) -> Tensor:
        assert self.image is not None
        self.image.seek(index)
        pixels = torch.from_numpy(np.array(_standard(self.image, self.file.profile)))
        values = pixels.movedim(-1, 0)[None].contiguous().float() / 255
        return values if (values[:, 3] < 1).any() else values[:, :3]


def _about(file: Path, image: Image.Image) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata of an animation, and descriptions of those that no result can hold."""
    unsaid = ["more than 8 bits a channel"] if _is_deep(file, image.format) else []
    try:
        profile_for(named_colours(file), grey=False)
    except ImageError:
        unsaid.append(PALE)
    said: list[str] = []
    try:
        image.seek(0)
        found = read_metadata(file, image, 1, said)
        return found, (*unsaid, *(one.removesuffix(", which no result says") for one in said))
    except Exception:  # noqa: BLE001 - ruined metadata is no reason to refuse the pictures
        return Metadata(), (*unsaid, "its metadata, which is ruined")


def _is_deep(file: Path, form: str | None) -> bool:
    if form == "PNG":
        return any(name == b"IHDR" and said[8] > 8 for name, said in read_chunks(file))
    return form == "AVIF" and bits_of(file) > 8


def _standard(image: Image.Image, named: bytes | None) -> Image.Image:
    """A frame in RGBA and sRGB, which is what animations are written in."""
    shown, profile = image.convert("RGBA"), image.info.get("icc_profile") or named
    if not profile:
        return shown
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        colours = ImageCms.profileToProfile(
            shown.convert("RGB"), source, ImageCms.createProfile("sRGB")
        )
    except (ImageCms.PyCMSError, OSError):  # of grey, or damaged: players ignore it, too
        return shown
    assert colours is not None
    colours.putalpha(shown.getchannel("A"))
    return colours


def _is_transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    return image.convert("RGBA").getchannel("A").getextrema()[0] < 255  # pyright: ignore[reportOperatorIssue]


def _plays(image: Image.Image) -> int:
    """Number of showings, 0 for endless; GIF counts repeats, and states none for one showing."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return loop or 0
    return 1 if loop is None else loop and loop + 1
