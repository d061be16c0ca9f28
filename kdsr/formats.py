"""The one table of file formats: images, films and codecs, and what they can hold.

This file does not import PyTorch, so that `--help` is fast.
"""

from dataclasses import dataclass, field
from pathlib import Path

from .errors import VideoError


@dataclass(frozen=True)
class ImageFormat:
    """A kind of image file.

    Attributes:
        name: Pillow's.
        suffixes: The usual one first.
        written: Whether results are written so.
        deep: Whether it is written with 16 bits a channel.
        alpha: Whether it holds opacity.
        longest_side: Pixels that its library writes at most, or None.
        floats: Whether it holds values beyond white.
        named_colours: Whether it names colours by the chunks of PNG; others know profiles alone.
    """

    name: str
    suffixes: tuple[str, ...]
    written: bool = False
    deep: bool = False
    alpha: bool = True
    longest_side: int | None = None
    floats: bool = False
    named_colours: bool = False


PNG = ImageFormat("PNG", (".png",), written=True, deep=True, named_colours=True)
JPEG = ImageFormat(
    "JPEG",
    (".jpg", ".jpeg", ".jfif", ".jpe"),
    written=True,
    alpha=False,
    longest_side=65_500,  # the format itself would go to 65,535
)
WEBP = ImageFormat("WEBP", (".webp",), written=True, longest_side=16_383)
TIFF = ImageFormat("TIFF", (".tif", ".tiff"), written=True, deep=True, floats=True)
EXR = ImageFormat("EXR", (".exr",), written=True, deep=True, floats=True)
BMP = ImageFormat("BMP", (".bmp",))
AVIF = ImageFormat("AVIF", (".avif",))
GIF = ImageFormat("GIF", (".gif",))

FORMATS = (PNG, JPEG, WEBP, TIFF, EXR, BMP, AVIF, GIF)
IMAGE_READ_SUFFIXES = tuple(suffix for one in FORMATS for suffix in one.suffixes)
IMAGE_WRITE_SUFFIXES = tuple(suffix for one in FORMATS if one.written for suffix in one.suffixes)
IMAGE_WRITE_FORMATS = tuple(one.suffixes[0][1:] for one in FORMATS if one.written)
NOT_READ = (
    ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".psd", ".xcf", ".svg", ".dng", ".cr2", ".cr3",
    ".nef", ".arw", ".raf", ".orf", ".rw2", ".tga", ".dds", ".hdr", ".pfm", ".ppm", ".pgm",
)  # fmt: skip
"""Suffixes of pictures that nothing here reads: files of a folder that are passed over so."""


def format_of(path: Path) -> ImageFormat | None:
    """The kind of file that a name's suffix asks for; None if there is no such kind."""
    return next((one for one in FORMATS if path.suffix.lower() in one.suffixes), None)


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
VIDEO_WRITE_SUFFIXES = tuple(CONTAINERS)
VIDEO_WRITE_FORMATS = tuple(suffix[1:] for suffix in CONTAINERS)
VIDEO_READ_SUFFIXES = (
    *VIDEO_WRITE_SUFFIXES,
    ".m4v", ".avi", ".divx", ".wmv", ".asf", ".flv", ".f4v", ".mpg", ".mpeg", ".vob", ".mod",
    ".tod", ".ts", ".mts", ".m2ts", ".m2t", ".3gp", ".3g2", ".ogv", ".mxf", ".dv", ".qt",
)  # fmt: skip


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
