"""Kinds of videos and animations, what can be chosen for them, and whether a picture file moves."""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, islice, repeat, takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import ConfigError, VideoError
from ..options import CUT_ANGLE

_SCREEN, _PALETTE = 0x80, 0x07  # of a GIF's flags: there is a palette, and how large it is
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # of GIF
_PNG_HEAD, _RIFF_HEAD = 8, 12
_MOST_FRAMES = 1_000_000  # of an AVIF
_ANIMATED = 2  # of a WebP's flags


class Blocks(NamedTuple):
    """Facts from the blocks of an image file."""

    pictures: int
    """Number of complete pictures."""
    promised: int
    """Stated number of pictures; `pictures` if none is stated."""
    whole: bool
    """Whether the file is complete."""
    size: int = 0
    """Smallest stated size of an AVIF in bytes; 0 for all others."""


def is_moving(path: Path) -> bool:
    """Whether an image file has several pictures, or had before it was cut off."""
    found = blocks_of(path)
    return found is not None and (found.promised > 1 or found.pictures > 1)


def blocks_of(path: Path) -> Blocks | None:
    """Reads the blocks of a GIF, WebP, PNG or AVIF file; None for what is no animation of these."""
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_RIFF_HEAD)
            file.seek(0)
            for fits, read in _KINDS:
                if fits(head):
                    return read(file)
    except (OSError, struct.error, IndexError):
        pass  # whoever reads it says why
    return None


def _gif(file: BinaryIO) -> Blocks:
    pictures = 0
    try:
        flags = file.read(13)[10]
        _skip_palette(file, flags)
        while (kind := file.read(1)[0]) != _TRAILER:
            if kind == _IMAGE:
                _skip_palette(file, file.read(9)[8])
                file.read(1)[0]  # the size of the codes
            elif kind == _EXTENSION:
                file.read(1)[0]
            else:
                return Blocks(pictures, pictures, whole=True)  # what follows is no GIF's
            while size := file.read(1)[0]:
                if len(file.read(size)) < size:
                    raise IndexError
            pictures += kind == _IMAGE
    except IndexError:  # of a byte that is not there
        return Blocks(pictures, pictures + 1, whole=False)
    return Blocks(pictures, pictures, whole=True)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & _SCREEN:
        file.seek(3 << ((flags & _PALETTE) + 1), 1)


def _png(file: BinaryIO) -> Blocks | None:
    file.seek(_PNG_HEAD)
    pictures = promised = 0
    whole = False
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        content = file.read(min(size, 8))
        if name == b"acTL":
            (promised,) = struct.unpack(">I", content[:4])
        if name == b"IDAT" and not promised:
            return None
        pictures += name == b"fcTL"
        whole = name == b"IEND"
        if file.seek(size - len(content) + 4, 1) < 0 or whole:
            break
    return Blocks(pictures if whole else max(pictures - 1, 0), promised, whole)


def _webp(file: BinaryIO) -> Blocks | None:
    _, size, _ = struct.unpack("<4sI4s", file.read(_RIFF_HEAD))
    end, there = size + 8, file.seek(0, 2)
    file.seek(_RIFF_HEAD)
    pictures = 0
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"VP8X" and not file.read(1)[0] & _ANIMATED:
            return None
        if name in (b"VP8 ", b"VP8L"):
            return None
        place = file.seek(size + size % 2 - (name == b"VP8X"), 1)
        pictures += name == b"ANMF" and place <= there
    whole = end <= there
    return Blocks(pictures, pictures + (not whole), whole)


def _avif(file: BinaryIO) -> Blocks | None:
    (size,) = struct.unpack(">I", file.read(4))
    if b"avis" not in file.read(min(size, 256)):
        return None
    there, end, index = file.seek(0, 2), 0, b""
    while end + 8 <= there:
        file.seek(end)
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"moov":
            index = file.read(length - 8)
        if length < 8:  # up to the end of the file, or of more than 4 GiB
            break
        end += length
    tracks: list[list[int]] = []
    with suppress(LookupError, StopIteration, struct.error):  # whoever reads it says so
        tracks = [_ends_of_samples(track) for name, track in boxes(index) if name == b"trak"]
    tracks = [ends for ends in tracks if ends]
    if not tracks:
        return Blocks(2, 2, whole=True)
    size = max(end, *map(max, tracks))
    pictures = min(sum(1 for _ in takewhile(there.__ge__, ends)) for ends in tracks)
    return Blocks(pictures, max(map(len, tracks)), size <= there, size)


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of the boxes of an AVIF or MP4."""
    place = 0
    while place + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        yield name, content[place + 8 : place + length]
        place += max(length, 8)


def _ends_of_samples(track: bytes) -> list[int]:
    """End of each picture of a track in the file; chunks may be anywhere."""
    media = dict(boxes(dict(boxes(track))[b"mdia"]))
    if media[b"hdlr"][8:12] not in (b"pict", b"auxv"):  # colours and opacity
        return []
    tables = dict(boxes(dict(boxes(media[b"minf"]))[b"stbl"]))
    same, count = struct.unpack_from(">II", tables[b"stsz"], 4)
    sizes = repeat(same, count) if same else struct.unpack_from(f">{count}I", tables[b"stsz"], 12)
    offsets, form = tables.get(b"stco"), "I"
    if offsets is None:
        offsets, form = tables[b"co64"], "Q"
    starts = struct.unpack_from(f">{int.from_bytes(offsets[4:8], 'big')}{form}", offsets, 8)
    runs = list(struct.iter_unpack(">III", tables[b"stsc"][8:]))
    ends, coming = [], islice(sizes, _MOST_FRAMES)
    for chunk, start in enumerate(starts, 1):
        samples = next(run[1] for run in reversed(runs) if run[0] <= chunk)
        ends += [start + end for end in accumulate(islice(coming, samples))]
    return ends


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], Blocks | None]], ...] = (
    (lambda head: head[:3] == b"GIF", _gif),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda head: head[:4] == b"RIFF" and head[8:] == b"WEBP", _webp),
    (lambda head: head[4:8] == b"ftyp", _avif),
)


@dataclass(frozen=True)
class Codec:
    """A way to code pictures."""

    encoder: str
    """FFmpeg's name of the encoder."""
    crf: int
    """Constant rate factor unless told otherwise."""
    largest_crf: int
    """Largest constant rate factor; 0 for a codec without one."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the encoder. A short look-ahead limits its memory."""
    clear: str = ""
    """FFmpeg's name of its pixels with opacity; empty where it has none."""
    clear_options: dict[str, str] = field(default_factory=dict)
    """Options of the encoder for pictures with opacity."""
    plain: str = ""
    """FFmpeg's name of its pixels; empty for 4:2:0 of the film's depth."""


@dataclass(frozen=True)
class Container:
    """A kind of file."""

    format: str
    """FFmpeg's name of the format."""
    codecs: tuple[str, ...]
    """Names in `CODECS`; the first is the default. None for animations."""
    deep_codec: str = ""
    """The default for more than 8 bits."""
    clear_codec: str = ""
    """The default for pictures with opacity; empty where it cannot hold them."""
    sound: str = "aac"
    """Codec for sound that the container cannot hold."""
    milliseconds: bool = False
    """Whether time stamps are in milliseconds, whatever the requested time base."""
    square: bool = False
    """Whether the container cannot store that pixels are not square."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of FFmpeg's muxer."""

    @property
    def is_animation(self) -> bool:
        """Whether files are animations: pictures without sound for image viewers."""
        return not self.codecs


CODECS = {
    "h264": Codec("libx264", 18, 51, {"preset": "medium", "rc-lookahead": "10"}),
    "hevc": Codec("libx265", 20, 51, {"preset": "medium", "x265-params": "log-level=none"}),
    "vp9": Codec(
        "libvpx-vp9", 24, 63, {"b": "0", "cpu-used": "4", "lag-in-frames": "10"},
        clear="yuva420p", clear_options={"auto-alt-ref": "0"},
    ),
    "av1": Codec("libsvtav1", 24, 63, {"preset": "8"}),
    "prores": Codec(
        "prores_ks", 0, 0, {"profile": "hq", "vendor": "apl0"}, plain="yuv422p10le",
        clear="yuva444p10le", clear_options={"profile": "4444", "alpha_bits": "16"},
    ),
}  # fmt: skip
"""Codecs by the names that people use."""

# Without the first flag an MP4 file keeps no metadata of its own, such as a workflow; the second
# puts the index in front, so that players on the web begin at once.
_MOV = {"movflags": "use_metadata_tags+faststart"}
_MKV = {"fflags": "+bitexact"}  # or each file gets random numbers, and no two are the same bytes
CONTAINERS = {
    ".mp4": Container("mp4", ("h264", "hevc", "av1"), "hevc", options=_MOV),
    ".mov": Container("mov", ("h264", "hevc", "prores"), "hevc", "prores", options=_MOV),
    ".mkv": Container(
        "matroska", ("h264", "hevc", "vp9", "av1", "prores"), "hevc", "vp9", milliseconds=True,
        options=_MKV,
    ),
    ".webm": Container(
        "webm", ("vp9", "av1"), "av1", "vp9", "libopus", milliseconds=True, square=True,
        options=_MKV,
    ),
    ".gif": Container("gif", (), square=True),
    ".webp": Container("webp", (), square=True),
    ".png": Container("apng", (), square=True),
    ".apng": Container("apng", (), square=True),
    ".avif": Container("avif", (), square=True),
}  # fmt: skip
"""Containers of results, by suffix."""
MP4 = CONTAINERS[".mp4"]

ANIMATION_SUFFIXES = tuple(suffix for suffix, one in CONTAINERS.items() if one.is_animation)
WRITE_SUFFIXES = tuple(CONTAINERS)
WRITE_FORMATS = tuple(suffix[1:] for suffix in CONTAINERS)
READ_SUFFIXES = (
    *WRITE_SUFFIXES,
    ".m4v", ".avi", ".divx", ".wmv", ".asf", ".flv", ".f4v", ".mpg", ".mpeg", ".vob", ".mod",
    ".tod", ".ts", ".mts", ".m2ts", ".m2t", ".3gp", ".3g2", ".ogv", ".mxf", ".dv", ".qt",
)  # fmt: skip


def is_video(path: Path) -> bool:
    """Whether KDSR treats a file as a video: by its suffix, for images by their content."""
    suffix = path.suffix.lower()
    return is_moving(path) if suffix in ANIMATION_SUFFIXES else suffix in READ_SUFFIXES


def container_of(path: Path) -> Container:
    """The kind of file that a name asks for.

    Raises:
        VideoError: If videos are not written into such files.
    """
    found = CONTAINERS.get(path.suffix.lower())
    if found is None:
        known = ", ".join(CONTAINERS)
        raise VideoError(f"{path}: cannot write a video into this; end it in one of {known}")
    return found


SMOOTHED, LOCKED, PER_FRAME = "smoothed", "locked", "per frame"
MODES = (SMOOTHED, LOCKED, PER_FRAME)
"""IDR of a frame: averaged with its neighbours', averaged over the film, or its own."""
_LARGEST_CRF = max(codec.largest_crf for codec in CODECS.values())


@dataclass(frozen=True)
class VideoOptions:
    """Options of estimating and encoding the frames of a video.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    mode: str = SMOOTHED
    """Mode, one of `MODES`."""
    smoothing: float = 0.8
    """0 to less than 1; see `kdsr.estimation.maps.smooth`."""
    scene_cut: float = CUT_ANGLE
    """Degrees between frames that begin a new scene; see `kdsr.estimation.maps.smooth`."""
    codec: str | None = None
    """A name in `CODECS`; None for the container's default."""
    crf: int | None = None
    """Constant rate factor: 0 is the best, 18 of H.264 hard to tell from it, 51 (VP9 and AV1: 63)
    the smallest; None for the codec's default."""
    quality: int = 95
    """Quality of animated WebP and AVIF, 1 to 100."""

    def __post_init__(self) -> None:
        problems = []
        if self.mode not in MODES:
            problems.append(f"the mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if not 0 <= self.smoothing < 1:
            problems.append(f"the smoothing must be 0 to less than 1, got {self.smoothing}")
        if not 0 <= self.scene_cut <= 180:
            problems.append(f"the scene cut must be 0 to 180 degrees, got {self.scene_cut}")
        if self.codec is not None and self.codec not in CODECS:
            problems.append(f"the codec must be one of {', '.join(CODECS)}, got {self.codec!r}")
        if self.crf is not None and not 0 <= self.crf <= _LARGEST_CRF:
            problems.append(f"the crf must be 0 to {_LARGEST_CRF}, got {self.crf}")
        if not 1 <= self.quality <= 100:
            problems.append(f"the quality must be 1 to 100, got {self.quality}")
        if problems:
            raise ConfigError("; ".join(problems))
