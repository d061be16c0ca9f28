"""Probes video files before decoding: headers and streams."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from ..errors import VideoError
from ..files.blocks import boxes
from .pyav import explained, load_av, side_data

if TYPE_CHECKING:
    import av
    from av.container import InputContainer


_LARGEST = 64 << 20  # bytes of a header that are read
_SPHERICAL = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")  # of Google's first description
EBML = b"\x1a\x45\xdf\xa3"
SEGMENT, _CLUSTER, _TRACKS = 0x18538067, 0x1F43B675, 0x1654AE6B
_TRACK, _TYPE, _VIDEO, _PROJECTION, _KIND = 0xAE, 0x83, 0xE0, 0x7670, 0x7671
_CROPS = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}
_CLAP = struct.Struct(
    ">4s8i"
)  # clean aperture: width, height, and the centre's place, as fractions


class Crop(NamedTuple):
    """Pixels at each edge that are not shown."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


@dataclass(frozen=True)
class Header:
    """Facts about a file's first picture track."""

    crop: Crop = field(default_factory=Crop)
    spherical: bool = False
    """Whether it is a 360-degree film."""
    chapters: frozenset[int] = frozenset()
    """Numbers of the tracks that only hold the names of chapters."""

    @classmethod
    def of(cls, path: Path, size: tuple[int, int]) -> "Header":
        """Reads the header of a file; formats other than MOV, MP4 and Matroska give defaults.

        Args:
            path: The file.
            size: (height, width) of its pictures as they are coded.
        """
        try:
            with path.open("rb") as file:
                start = file.read(12)
                if start.startswith(EBML):
                    return _matroska(file)
                return _mov(file, size) if start[4:8] in FIRST_BOXES else cls()
        except (OSError, struct.error, ValueError):  # damaged: FFmpeg says why, if it matters
            return cls()


FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _mov(file: BinaryIO, size: tuple[int, int]) -> Header:
    place = 0
    while True:
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return Header()
        length, name = struct.unpack(">I4s", head[:8])
        if length == 1:
            (length,) = struct.unpack(">Q", head[8:])
        if name == b"moov":
            file.seek(place)
            content = file.read(min(length or _LARGEST, _LARGEST))
            spherical = b"sv3d" in content or _SPHERICAL in content
            return Header(_clean_aperture(content, size), spherical, _chapters(content))
        if length < 8:
            return Header()
        place += length


def _chapters(content: bytes) -> frozenset[int]:
    """Tracks that a MOV names as its chapters."""
    tracks = (dict(boxes(track)) for name, track in boxes(content[8:]) if name == b"trak")
    said = (dict(boxes(track.get(b"tref", b""))).get(b"chap", b"") for track in tracks)
    return frozenset(
        int.from_bytes(one[place : place + 4], "big")
        for one in said for place in range(0, len(one), 4)
    )  # fmt: skip


def _clean_aperture(content: bytes, size: tuple[int, int]) -> Crop:
    at = content.find(b"clap")
    if at < 0:
        return Crop()
    _, *values = _CLAP.unpack_from(content, at)
    if not all(values[1::2]):
        return Crop()
    width, height, across, down = (a / b for a, b in zip(values[::2], values[1::2], strict=True))
    left, top = (size[1] - width) / 2 + across, (size[0] - height) / 2 + down
    found = Crop(*map(round, (left, top, size[1] - left - width, size[0] - top - height)))
    return found if min(found) >= 0 else Crop()


def _matroska(file: BinaryIO) -> Header:
    file.seek(0)
    tracks = _find(_elements(file.read(_LARGEST)), SEGMENT, _TRACKS)
    for track in (content for name, content in _elements(tracks) if name == _TRACK):
        about = dict(_elements(track))
        if about.get(_TYPE) == b"\x01" and _VIDEO in about:
            video = dict(_elements(about[_VIDEO]))
            crops = {
                name: int.from_bytes(video[key], "big") for key, name in _CROPS.items()
                if key in video
            }  # fmt: skip
            projection = dict(_elements(video.get(_PROJECTION, b"")))
            return Header(Crop(**crops), spherical=any(projection.get(_KIND, b"")))
    return Header()


def _find(elements: "Iterator[tuple[int, bytes]]", *names: int) -> bytes:
    for name, content in elements:
        if name == names[0]:
            return content if len(names) == 1 else _find(_elements(content), *names[1:])
    return b""


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(ID, content) of EBML elements, as far as they are there; up to the first pictures."""
    place = 0
    while place < len(content):
        name, place = number(content, place, marked=True)
        size, place = number(content, place, marked=False)
        if name == _CLUSTER:
            return
        yield name, content[place : place + size]
        place += size


def number(content: bytes, place: int, *, marked: bool) -> tuple[int, int]:
    """A number of 1 to 8 bytes, the first of which says how many, and where it ends."""
    if place >= len(content) or not content[place]:
        raise ValueError("no number")
    count = 9 - content[place].bit_length()
    value = int.from_bytes(content[place : place + count], "big")
    return value if marked else value & ((1 << 7 * count) - 1), place + count


READING = "the video cannot be read"
MOV = "mov,mp4,m4a,3gp,3g2,mj2"
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own give no opacity
_OF_COVERS = ("mjpeg", "png", "bmp", "webp")
_LOST = {
    "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+ (brightness of each scene)",
    "STEREO3D": "which eye sees what (3D)",
    "A53_CC": "closed captions within the pictures",
    "S12M_TIMECODE": "time code within the pictures",
}


def end_of(stream: "av.VideoStream") -> Fraction | None:
    """End of the pictures in seconds, as the header states it; None if it does not."""
    name = stream.container.format.name
    if name == "avi" and stream.time_base:  # the duration would be that of what is there
        return stream.frames * stream.time_base
    if name == MOV and stream.duration is not None and stream.time_base:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    said = stream.metadata.get("DURATION", "").split(":")
    if name == "matroska,webm" and len(said) == 3:
        with suppress(ValueError):
            hours, minutes, seconds = map(Fraction, said)
            return hours * 3600 + minutes * 60 + seconds
    return None


def unsaid(frame: "av.VideoFrame", header: Header) -> Iterator[str]:
    """Descriptions of picture metadata that cannot be written."""
    if header.spherical:
        yield "the 360-degree projection"
    for name, words in _LOST.items():
        if side_data(frame, name):
            yield words


def decoder_of(stream: "av.VideoStream") -> "av.VideoCodecContext":
    """The stream's own decoder, or one that also decodes its opacity."""
    av, context = load_av(), stream.codec_context
    said = {key.lower(): value for key, value in stream.metadata.items()}
    name = _ALPHA_DECODERS.get(context.name)
    if name is not None and said.get("alpha_mode") == "1":
        with suppress(av.codec.codec.UnknownCodecError):
            context = cast("av.VideoCodecContext", av.CodecContext.create(name, "r"))
    context.thread_type = "AUTO"
    return context


def pictures_of(container: "InputContainer") -> "av.VideoStream":
    """The first video stream with a film: covers of songs are coded as videos of one frame."""
    from av.stream import Disposition

    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if films:  # a cover may come first, as a film of one frame
        return next((s for s in films if s.codec_context.name not in _OF_COVERS), films[0])
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    found = ", ".join(kinds) or "nothing"
    raise VideoError(f"{READING}: it has no moving pictures, only {found}")


def rate_of(stream: "av.VideoStream") -> Fraction:
    """Frames a second, on average."""
    raw_dv = stream.container.format.name == "dv"  # FFmpeg calls the ticks of its clock a rate
    average = None if raw_dv else stream.average_rate
    return Fraction(average or stream.guessed_rate or 25)


def shows_again(packet: "av.Packet") -> bool:
    """Whether a packet is empty, with which Theora shows a frame for longer."""
    return not packet.size and packet.dts is not None  # the last one, which flushes, has no stamp


def first_frame(container: "InputContainer", stream: "av.VideoStream") -> "av.VideoFrame":
    """The first frame that can be decoded."""
    decoder = decoder_of(stream)
    with explained(READING):
        for packet in container.demux(stream):
            if shows_again(packet):
                continue
            with suppress(load_av().error.InvalidDataError):  # reading says how many are damaged
                if frames := decoder.decode(packet):
                    return cast("av.VideoFrame", frames[0])
    raise VideoError(f"{READING}: it has no frames")
