"""Which files videos are read from and written to, and what those can hold. Needs no PyAV."""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import VideoError

_WEBP_FLAGS, _WEBP_ANIMATED = 20, 2  # of a VP8X chunk: which byte, and which bit of it


@dataclass(frozen=True)
class Codec:
    """A way to code pictures."""

    encoder: str
    """What FFmpeg calls it."""
    crf: int
    """Constant rate factor unless told otherwise."""
    largest_crf: int
    options: dict[str, str] = field(default_factory=dict)
    """Of the encoder. Its memory is that of the frames it holds back: a short look ahead."""


@dataclass(frozen=True)
class Container:
    """A kind of file."""

    format: str
    """What FFmpeg calls it."""
    codecs: tuple[str, ...]
    """Names in `CODECS`; the first is the default. None for animations."""
    deep_codec: str = ""
    """The default for more than 8 bits."""
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


CODECS = {
    "h264": Codec("libx264", 18, 51, {"preset": "medium", "rc-lookahead": "10"}),
    "hevc": Codec("libx265", 20, 51, {"preset": "medium", "x265-params": "log-level=none"}),
    "vp9": Codec("libvpx-vp9", 24, 63, {"b": "0", "cpu-used": "4", "lag-in-frames": "10"}),
    "av1": Codec("libsvtav1", 24, 63, {"preset": "8"}),
}
"""By the names that people use."""

# Without the first flag an MP4 file keeps no metadata of its own, such as a workflow; the second
# puts the index in front, so that players on the web begin at once.
_MOV = {"movflags": "use_metadata_tags+faststart"}
CONTAINERS = {
    ".mp4": Container("mp4", ("h264", "hevc", "av1"), "hevc", options=_MOV),
    ".mov": Container("mov", ("h264", "hevc"), "hevc", options=_MOV),
    ".mkv": Container("matroska", ("h264", "hevc", "vp9", "av1"), "hevc", milliseconds=True),
    ".webm": Container("webm", ("vp9", "av1"), "av1", "libopus", milliseconds=True, square=True),
    ".gif": Container("gif", (), square=True),
    ".webp": Container("webp", (), square=True),
}
"""By suffix: what is written."""
MP4 = CONTAINERS[".mp4"]

ANIMATION_SUFFIXES = (".gif", ".webp")
WRITE_SUFFIXES = tuple(CONTAINERS)
WRITE_FORMATS = tuple(suffix[1:] for suffix in CONTAINERS)
READ_SUFFIXES = (
    *WRITE_SUFFIXES,
    ".m4v", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp", ".ogv",
)  # fmt: skip


def is_video(path: Path) -> bool:
    """Whether a file is taken for a video: by its suffix, and by its content for WebP alone."""
    suffix = path.suffix.lower()
    return _is_animated(path) if suffix == ".webp" else suffix in READ_SUFFIXES


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


def _is_animated(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_WEBP_FLAGS + 1)
    except OSError:
        return False  # whoever reads it says why
    kind = (head[:4], head[8:16])
    return (
        len(head) > _WEBP_FLAGS
        and kind == (b"RIFF", b"WEBPVP8X")
        and bool(head[_WEBP_FLAGS] & _WEBP_ANIMATED)
    )
