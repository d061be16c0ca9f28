"""Reports changes between a film and its result, and tests streams before the work."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..formats import Container
from .animations import PALE, AnimationFile
from .encoding import Encoding
from .film import Facts, Missing
from .reading import VideoFile
from .writing import VideoWriter, named, remarks

_TECHNICAL = (
    "encoder", "major_brand", "minor_version", "compatible_brands", "duration", "creation_time",
)  # fmt: skip
"""Metadata keys about the making of a file, and not about its content."""


def remarks_on(
    film: VideoFile | AnimationFile,
    facts: Facts,
    container: Container,
    encoding: Encoding | None,
    suffix: str,
) -> list[str]:
    """The lines about a film before it is upscaled.

    Args:
        film: The source.
        facts: Facts about the film.
        container: Container of the result.
        encoding: Encoding of the pictures; None for animations.
        suffix: Suffix of the result, for the messages.
    """
    with film.open(pictures=False) as reading:
        lines = remarks(reading.sound, container, suffix)
        names = [*map(named, reading.left_out)]
        names += ["chapters"] * (container.is_animation and bool(reading.chapters))
        if names:
            kept = "pictures, sound and subtitles"
            lines.append(f"left out, as only {kept} are kept: {', '.join(names)}")
    if facts.colour.transparent and container.format == "gif" and _has_halves(film):
        lines.append("a GIF knows no half: what is partly transparent becomes opaque or not")
    return [*lines, *_on_pictures(facts, container, encoding, suffix)]


def _has_halves(film: VideoFile | AnimationFile) -> bool:
    """Whether something in it may be transparent by halves."""
    return Path(str(film.file)).suffix.lower() != ".gif"


def _without_place(facts: Facts, container: Container, encoding: Encoding | None) -> Iterator[str]:
    """Metadata of a source that the container cannot hold."""
    about = facts.about
    yield from about.foreign
    if encoding is not None:
        yield from about.all_names()
        if facts.colour.deep and "10" not in encoding.pixel_format:
            yield "more than 8 bits a channel"
        elif facts.colour.very_deep:
            yield "more than 10 bits a channel"
        return
    if container.format == "gif":
        yield from about.for_gif()[1]
    elif container.format != "apng":
        yield from about.for_webp()[1]
    yield from (name for name in facts.metadata if name.lower() not in _TECHNICAL)
    yield from (f"{name} of the pictures" for name in facts.track)
    if facts.colour.deep:
        yield "more than 8 bits a channel"
    if facts.colour.pale_as_srgb:
        yield PALE
    if container.format == "avif" and facts.plays:
        yield "how often it is shown"


def _on_pictures(
    facts: Facts, container: Container, encoding: Encoding | None, suffix: str
) -> Iterator[str]:
    unsaid = [*facts.left_out, *_without_place(facts, container, encoding)]
    if facts.hdr is not None and (
        encoding is None or not facts.hdr.options(encoding.codec.encoder)
    ):
        unsaid.append("the mastering display and the light level of HDR10")
    if unsaid:
        yield f"left out, as no {suffix} that is written here can say it: {', '.join(unsaid)}"
    if facts.interlaced:
        yield "the video is interlaced: deinterlace it first, or its combs are enlarged"
    if container.square and facts.aspect != 1:
        yield (
            f"{suffix} cannot say that pixels are not square: it will look too narrow or too wide; "
            "name the result .mp4 or .mkv"
        )
    if facts.colour.transparent and encoding is not None and not encoding.transparent:
        yield (
            "what is transparent becomes white; to keep it name the result .mov, .webm, .mkv, "
            ".webp, .png or .avif, and choose no other codec"
        )
    if encoding is not None and "444" in encoding.pixel_format and not encoding.transparent:
        yield (
            "an odd number of pixels a side takes colours of full size (4:4:4), which some players "
            "do not show; an even --size avoids that"
        )


@dataclass(frozen=True)
class Survey:
    """Findings about a film."""

    missing: Missing = field(default_factory=Missing)
    """Frames that its header promises and it has not."""
    remarks: tuple[str, ...] = ()
    """Lines about tracks of sound or subtitles with packets that cannot be written."""


def survey(
    film: VideoFile | AnimationFile, container: Container, encoding: Encoding | None
) -> Survey:
    """Reads all packets of a film once, and writes those of its sound to nowhere.

    Args:
        film: Film to read.
        container: Container of the result.
        encoding: Encoding of the pictures; None for animations.

    Raises:
        VideoError: If the sound can be written in no way: before the work, not after it.
    """
    if isinstance(film, AnimationFile):
        return Survey(film.missing())
    with film.open(pictures=False) as reading:
        if encoding is None:
            for _ in reading.packets({reading.video}):
                pass
            return Survey(reading.missing())
        # An index in front would be moved there, which nowhere does not bear.
        trial = replace(container, options={})
        with VideoWriter(Path(os.devnull), trial, encoding, reading.sound) as writer:
            for packet in reading.packets({reading.video, *reading.sound}):
                if packet.stream is not reading.video and packet.dts is not None:
                    writer.copy(reading.moved(packet))
        return Survey(reading.missing(), tuple(writer.lost()))
