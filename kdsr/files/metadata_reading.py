"""Reads the metadata of image files as `Metadata`, which also names what a result will lose."""

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from PIL import Image

from .blocks import COLOUR, read_chunks
from .decoded_image import INCH, IPTC, RAW_PROFILE, XMP_KEYWORD, XMP_SEGMENT, XMP_TAG, Metadata
from .exif import DESCRIBING, DESCRIPTION, Exif, packed

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PHOTOSHOP_TAG = 34377  # of TIFF
_KEPT_TAGS = (700, 33723, 34377, 34675, 50341, 59932, 32932, 32995, 32996, 32997, 32998)
"""Further tags that are carried, speak of pixels, or say nothing."""
_SCALE = "what ImageJ or OME say of its scale and stack"
_OF_TIFF = {
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737), "its place on a map (GeoTIFF)"),
    **dict.fromkeys((42112, 42113), "what GDAL says of it"),
    **dict.fromkeys((50838, 50839), _SCALE),
    37724: "Photoshop's layers",
}
_HEAD = 1 << 16  # bytes, in which the boxes of an AVIF lie
_GAIN_MAP = "its gain map (HDR)"
_CREDENTIALS = "content credentials (C2PA)"
_OF_JPEG = {
    _CREDENTIALS: [("APP11", b"jumb")],
    _GAIN_MAP: [("APP1", b"hdrgm:Version"), ("APP2", b"urn:iso:std:iso:ts:21496")],
    "temperatures (FLIR)": [("APP1", b"FLIR\0")],
    "XMP of further segments": [("APP1", b"http://ns.adobe.com/xmp/extension/\0")],
    "which eye sees what (3D)": [("APP3", b"_JPSJPS_")],
}
"""Metadata that no result can hold -> its segments, and the first bytes of their content."""
_OF_PNG = (
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"hIST", b"bKGD", b"sBIT", b"sPLT", b"tIME",
    b"acTL", b"fcTL", b"fdAT", b"iCCP", b"iDOT", b"vpAg", *COLOUR,
)  # fmt: skip
"""Chunks that are carried, speak of pixels, or say nothing."""
_PHOTOSHOP, _IPTC_BLOCK, _CLIPPING = b"Photoshop 3.0\0", 0x0404, (2000, 2998)
_UNEVEN = 0.001
_XMP_OF_GIF = b"\x21\xff\x0bXMP DataXMP"
_FILM = rb"\xff\xd9.{4,1024}?ftyp"  # the end of a JPEG, and the beginning of a film near it


def read_metadata(path: Path, image: Image.Image, turn: int, said: list[str]) -> Metadata:
    """Reads the metadata of an image file.

    Args:
        path: The file.
        image: The file as Pillow has opened it, its pixels loaded; not of a TIFF.
        turn: Its EXIF orientation.
        said: Takes what is to be said of what is damaged, and of pixels that are not square.
    """
    kind, info = image.format, image.info
    found = Metadata(comment=_bytes(info.get("comment")))
    aspect = Fraction(1)
    if kind == "PNG":
        found, aspect = _of_png(path)
    else:
        found = replace(found, exif=_bytes(info.get("exif")), xmp=_bytes(info.get("xmp")))
    if kind in ("JPEG", "MPO"):
        found, aspect = _of_jpeg(path, image, found)
    elif kind == "GIF":
        aspect = _aspect_of_gif(path)
        found = replace(found, xmp=_xmp_of_gif(path))
    elif kind == "AVIF":
        with path.open("rb") as file:
            found, aspect = _of_avif(file.read(_HEAD), found, said)
    if kind == "BMP" and info.get("dpi"):
        found = replace(found, dpi=info["dpi"])
    if aspect != 1:
        said.append(NOT_SQUARE)
    if found.dpi and turn in (5, 6, 7, 8):
        found = replace(found, dpi=found.dpi[::-1])
    return replace(found, exif=_sound(found.exif, said))


NOT_SQUARE = "its pixels are not square, which no result says"


def _sound(exif: bytes | None, said: list[str]) -> bytes | None:
    """EXIF without the word in front of it; None, and a remark, if it is ruined."""
    if not exif:
        return None
    exif = exif.removeprefix(b"Exif\0\0")
    try:
        Exif(exif).renew((1, 1), 1, None)
    except (ValueError, struct.error):
        said.append("its EXIF is ruined: left out")
        return None
    return exif


def _xmp_of_gif(path: Path) -> bytes | None:
    """XMP stands in a GIF as it is; a row of falling numbers leads readers of blocks over it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_XMP_OF_GIF) + len(_XMP_OF_GIF)
        end = content.find(b"\x01\xff\xfe\xfd", start)
        return content[start:end] if start >= len(_XMP_OF_GIF) and end > start else None


def _aspect_of_gif(path: Path) -> Fraction:
    with path.open("rb") as file:
        number = file.read(13)[12]
    return Fraction(number + 15, 64) if number else Fraction(1)


def _of_avif(head: bytes, found: Metadata, said: list[str]) -> tuple[Metadata, Fraction]:
    """Reads metadata from the boxes of a file."""
    at, aspect = head.find(b"pasp"), Fraction(1)
    if 0 <= at <= len(head) - 12:
        x, y = struct.unpack_from(">II", head, at + 4)
        aspect = Fraction(x, y) if x and y else aspect
    if b"clap" in head:
        said.append("what it crops is shown")
    return replace(found, foreign=(_GAIN_MAP,) if b"tmap" in head else ()), aspect


def _of_jpeg(path: Path, image: Image.Image, found: Metadata) -> tuple[Metadata, Fraction]:
    segments: list[tuple[str, bytes]] = list(getattr(image, "applist", ()))
    xmp = [content for name, content in segments
           if name == "APP1" and content.startswith(XMP_SEGMENT)]  # fmt: skip
    comments = b"\n".join(content for name, content in segments if name == "COM")
    blocks = dict(_blocks(b"".join(
        content.removeprefix(_PHOTOSHOP) for name, content in segments
        if name == "APP13" and content.startswith(_PHOTOSHOP)
    )))  # fmt: skip
    unit, density = image.info.get("jfif_unit"), image.info.get("jfif_density")
    dpi, aspect = None, Fraction(1)
    if unit in (1, 2) and density and min(density) > 0:
        dpi = tuple(value * (1 if unit == 1 else 2.54) for value in density)
    elif density and min(density) > 0:
        aspect = Fraction(*density)
    first = xmp[0][len(XMP_SEGMENT) :] if xmp else found.xmp
    foreign = [words for words, fits in _OF_JPEG.items() if any(
        name == app and mark in content for name, content in segments for app, mark in fits
    )]  # fmt: skip
    if any(_CLIPPING[0] <= number < _CLIPPING[1] for number in blocks):
        foreign.append("clipping paths")
    if _has_film(path):
        foreign.append("the film behind it (a motion photo)")
    return replace(
        found, xmp=first, comment=comments or None, iptc=blocks.get(_IPTC_BLOCK), dpi=dpi,
        foreign=tuple(foreign),
    ), aspect  # fmt: skip


def _blocks(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, content) of Photoshop's resources."""
    at = 0
    while content[at : at + 4] == b"8BIM" and at + 12 <= len(content):
        (number,) = struct.unpack_from(">H", content, at + 4)
        at += 6 + (content[at + 6] + 2 & ~1)  # a name of even length, its length in front
        if at + 4 > len(content):
            return
        (size,) = struct.unpack_from(">I", content, at)
        yield number, content[at + 4 : at + 4 + size]
        at += 4 + size + size % 2


def _has_film(path: Path) -> bool:
    """Whether an MP4 lies behind a JPEG's end."""
    with path.open("rb") as file:
        content = file.read()
    return re.search(_FILM, content, re.DOTALL) is not None


def _of_png(path: Path) -> tuple[Metadata, Fraction]:
    found, texts, aspect, others = Metadata(), [], Fraction(1), []
    for name, content in read_chunks(path):
        if name == b"pHYs" and len(content) == 9:
            x, y = struct.unpack(">II", content[:8])
            if x and y and content[8] == 1:
                found = replace(found, dpi=(x * INCH, y * INCH))
            elif x and y:
                aspect = Fraction(x, y)
        elif name == b"eXIf":
            found = replace(found, exif=content)
        elif name == b"iTXt" and content.startswith(XMP_KEYWORD + b"\0"):
            found = replace(found, xmp=_international(content))
        elif name in _TEXTS and content.startswith(RAW_PROFILE):
            found = _with_raw_profile(found, name, content)
        elif name in _TEXTS:
            texts.append((name, content))
        elif name not in _OF_PNG:
            others.append(name.decode("latin-1"))
    foreign = [_CREDENTIALS] if "caBX" in others else []
    if left := ", ".join(sorted(set(others) - {"caBX"})):
        foreign.append(f"chunks of PNG ({left})")
    return replace(found, texts=tuple(texts), foreign=tuple(foreign)), aspect


def _international(content: bytes) -> bytes | None:
    """The text of an iTXt chunk."""
    _, rest = content.split(b"\0", 1)
    text = rest[2:].split(b"\0", 2)[-1]
    if rest[:1] != b"\1":
        return text
    with suppress(zlib.error):
        return zlib.decompress(text)
    return None


def _with_raw_profile(found: Metadata, name: bytes, content: bytes) -> Metadata:
    """Takes what ImageMagick writes: a name, a length and hexadecimal digits."""
    keyword, _, rest = content.partition(b"\0")
    kind = {b"exif": "exif", b"APP1": "exif", b"iptc": "iptc", b"xmp": "xmp"}.get(
        keyword.removeprefix(RAW_PROFILE)
    )
    with suppress(zlib.error, ValueError, IndexError):
        lines = (zlib.decompress(rest[1:]) if name == b"zTXt" else rest).split(b"\n", 3)
        data = bytes.fromhex(lines[3].decode("ascii"))
        if kind == "exif" and not data.startswith((b"Exif\0\0", b"II", b"MM")):
            kind = "xmp"
            data = data.removeprefix(XMP_SEGMENT)
        if kind == "iptc" and data.startswith(b"8BIM\x04\x04\0\0"):
            data = data[12 : 12 + int.from_bytes(data[8:12], "big")]
        return replace(found, **{kind: data}) if kind else found
    return found


def read_tiff_metadata(
    path: Path, page: int, turn: int, said: list[str]
) -> tuple[Metadata, tuple[float, ...]]:
    """Metadata of a TIFF's page, and its primaries (red, green, blue, white).

    Args:
        path: The file.
        page: Which.
        turn: EXIF orientation that remains to be applied to its pixels.
        said: Names of lost metadata; see `read_metadata`.
    """
    from .tiff_reading import tags_of  # only here: few images are TIFFs

    told = tags_of(path, page)
    values = {one.tag: one.value for one in told if isinstance(one.value, bytes)}
    kept = [one for one in told if one.tag in DESCRIBING]
    foreign = {_OF_TIFF.get(one.tag, f"tag {one.tag}"): None for one in told
               if one.tag not in (*DESCRIBING, *_KEPT_TAGS, *range(254, 310), *range(315, 348),
                                  *range(512, 533))}  # fmt: skip
    description = values.get(DESCRIPTION, b"")
    if description.startswith((b"ImageJ=", b'{"shape":')) or b"<OME" in description:
        kept = [one for one in kept if one.tag != DESCRIPTION]  # it speaks of the source's size
        foreign |= {} if description[:1] == b"{" else {_SCALE: None}
    blocks = dict(_blocks(values.get(_PHOTOSHOP_TAG, b"")))
    if any(_CLIPPING[0] <= number < _CLIPPING[1] for number in blocks):
        foreign["clipping paths"] = None
    x, y = (_rational(values.get(tag, b"")) for tag in (282, 283))
    unit = int.from_bytes(values.get(296, b"\2"), "little")
    dpi = (x, y) if unit == 2 else (x * 2.54, y * 2.54)
    if unit not in (2, 3) and x > 0 and y > 0 and abs(x / y - 1) > _UNEVEN:
        said.append(NOT_SQUARE)
    primaries = tuple(
        _rational(part[at : at + 8])
        for part in (values.get(319, b""), values.get(318, b"")) for at in range(0, len(part), 8)
    )  # fmt: skip
    exif = _sound(packed(kept), said) if kept else None
    iptc = values.get(IPTC) or blocks.get(_IPTC_BLOCK)
    known = unit in (2, 3) and min(dpi) > 1
    found = Metadata(exif, values.get(XMP_TAG), iptc, dpi if known else None,
                     foreign=tuple(foreign))  # fmt: skip
    if found.dpi and turn in (5, 6, 7, 8):
        found = replace(found, dpi=found.dpi[::-1])
    return found, primaries if len(primaries) == 8 else ()


def _rational(value: bytes) -> float:
    above, beneath = struct.unpack("<II", value) if len(value) == 8 else (0, 1)
    return above / (beneath or 1)


def _bytes(value: object) -> bytes | None:
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) and value else None
