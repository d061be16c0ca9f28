"""Which files videos are read from and written to, and what those can hold. Needs no PyAV."""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import VideoError
from .moving import is_moving


@dataclass(frozen=True)
class Codec:
    """A way to code pictures."""

    encoder: str
    """What FFmpeg calls it."""
    crf: int
    """Constant rate factor unless told otherwise."""
    largest_crf: int
    """0 for a codec that has none."""
    options: dict[str, str] = field(default_factory=dict)
    """Of the encoder. Its memory is that of the frames it holds back: a short look ahead."""
    clear: str = ""
    """FFmpeg's name of its pixels with opacity; empty where it has none."""
    clear_options: dict[str, str] = field(default_factory=dict)
    """Of the encoder for those."""
    plain: str = ""
    """FFmpeg's name of its pixels; empty for 4:2:0 of the film's depth."""


@dataclass(frozen=True)
class Container:
    """A kind of file."""

    format: str
    """What FFmpeg calls it."""
    codecs: tuple[str, ...]
    """Names in `CODECS`; the first is the default. None for animations."""
    deep_codec: str = ""
    """The default for more than 8 bits."""
    clear_codec: str = ""
    """The default for pictures with opacity; empty where it cannot hold them."""
    sound: str = "aac"
    """What sound becomes that it cannot hold."""
    milliseconds: bool = False
    """Time stamps are in these, not in what is asked for."""
    square: bool = False
    """Has no way to say that pixels are not square."""
    options: dict[str, str] = field(default_factory=dict)
    """Of FFmpeg's muxer."""

    @property
    def is_animation(self) -> bool:
        """Pictures without sound, some of them transparent, that image viewers play."""
        return not self.codecs

    @property
    def keeps_opacity(self) -> bool:
        """Whether there is a way to write what can be seen through."""
        return self.is_animation or bool(self.clear_codec)


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
"""By the names that people use."""

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
"""By suffix: what is written."""
MP4 = CONTAINERS[".mp4"]

ANIMATION_SUFFIXES = tuple(suffix for suffix, one in CONTAINERS.items() if one.is_animation)
WRITE_SUFFIXES = tuple(CONTAINERS)
WRITE_FORMATS = tuple(suffix[1:] for suffix in CONTAINERS)
READ_SUFFIXES = (
    *WRITE_SUFFIXES,
    ".m4v", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp", ".ogv",
)  # fmt: skip


def is_video(path: Path) -> bool:
    """Whether a file is taken for a video: by its suffix, and images by their content."""
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
