"""The one table of image formats: how they are called, and what they can hold."""

from dataclasses import dataclass
from pathlib import Path


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
READ_SUFFIXES = tuple(suffix for one in FORMATS for suffix in one.suffixes)
WRITE_SUFFIXES = tuple(suffix for one in FORMATS if one.written for suffix in one.suffixes)
WRITE_FORMATS = tuple(one.suffixes[0][1:] for one in FORMATS if one.written)
NOT_READ = (
    ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".psd", ".xcf", ".svg", ".dng", ".cr2", ".cr3",
    ".nef", ".arw", ".raf", ".orf", ".rw2", ".tga", ".dds", ".hdr", ".pfm", ".ppm", ".pgm",
)  # fmt: skip
"""Suffixes of pictures that nothing here reads: files of a folder that are passed over so."""


def format_of(path: Path) -> ImageFormat | None:
    """The kind of file that a name's suffix asks for; None if there is no such kind."""
    return next((one for one in FORMATS if path.suffix.lower() in one.suffixes), None)
