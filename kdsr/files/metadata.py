"""What a file says of its picture besides the pixels: carried, with what changed made true."""

import io
import re
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..pixels import coded, to_bytes
from .png import read_chunks

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_RAW_PROFILE = b"Raw profile type "  # ImageMagick's way to put other metadata into PNG
_INCH = 0.0254  # metres
_IPTC, _XMP_TAG, _DESCRIPTION = 33723, 700, 0x010E  # tags of TIFF
_OF_TIFF = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E)
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_SEGMENT = 65_533  # bytes of a segment of JPEG
_THUMBNAIL = 160  # pixels


@dataclass(frozen=True)
class Metadata:
    """What is carried from a source to its result.

    Attributes:
        exif: Date, camera, place and more, without the word in front of it that JPEG has.
        xmp: The same and more as XML.
        iptc: Captions and credits of news agencies, IIM records.
        dpi: Dots per inch, (x, y).
        texts: Chunks of PNG, whole: generators keep prompts and workflows in them.
        comment: Of JPEG or GIF.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[bytes, bytes], ...] = ()
    comment: bytes | None = None

    def __bool__(self) -> bool:
        return self != Metadata()

    def renewed(
        self, size: tuple[int, int], factor: float, pixels: np.ndarray | None
    ) -> "Metadata":
        """For the result: upright, of its size, with its own thumbnail.

        Dots per inch are multiplied by the factor: prints keep their size, and scans their
        millimetres.

        Args:
            size: (height, width) of the result.
            factor: How many times it is larger.
            pixels: (H, W, C), uint8, uint16 or floats, of the result or of a part of its rows;
                None leaves the thumbnail out.
        """
        exif = self.exif
        if exif is not None:
            from .exif import Exif

            try:
                exif = Exif(exif).renew(
                    size, factor, None if pixels is None else _thumbnail(pixels)
                )
            except (ValueError, struct.error):
                exif = None  # ruined: the source's reader has said so
        dpi = self.dpi and (self.dpi[0] * factor, self.dpi[1] * factor)
        return replace(self, exif=exif, xmp=self.xmp and _true_xmp(self.xmp, size), dpi=dpi)

    def for_jpeg(self) -> tuple[dict[str, Any], list[str]]:
        """Options of Pillow's JPEG encoder, and what they leave out."""
        options, left = self._common(), self._left("texts")
        exif, extra = options.pop("exif", b""), b""
        if exif and len(exif) + 6 <= _SEGMENT:
            options["exif"] = b"Exif\0\0" + exif
        elif exif:
            left.append("EXIF of more than 64 KiB")
        xmp = options.pop("xmp", b"")
        if xmp and len(xmp) + len(_XMP_SEGMENT) <= _SEGMENT:
            extra += _segment(0xE1, _XMP_SEGMENT + xmp)
        elif xmp:
            left.append("XMP of more than 64 KiB")
        if self.iptc and len(self.iptc) < _SEGMENT - 40:
            body = self.iptc + b"\0" * (len(self.iptc) % 2)
            block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(self.iptc)) + body
            extra += _segment(0xED, b"Photoshop 3.0\0" + block)
        if self.comment:
            options["comment"] = self.comment[:_SEGMENT]
        if self.dpi:
            options["dpi"] = tuple(round(value) for value in self.dpi)
        return options | ({"extra": extra} if extra else {}), left

    def for_webp(self) -> tuple[dict[str, Any], list[str]]:
        """Options of Pillow's WebP encoder, and what they leave out."""
        return self._common(), self._left("texts", "iptc", "comment", "dpi")

    def for_png(self) -> list[tuple[bytes, bytes]]:
        """Chunks: a PNG holds everything."""
        chunks = list(self.texts)
        if self.dpi:
            x, y = (round(value / _INCH) for value in self.dpi)
            chunks.append((b"pHYs", struct.pack(">IIB", x, y, 1)))
        if self.exif:
            chunks.append((b"eXIf", self.exif))
        if self.xmp:
            chunks.append((b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + self.xmp))
        if self.iptc:
            lines = f"\niptc\n{len(self.iptc):8}\n{self.iptc.hex()}\n".encode()
            chunks.append((b"zTXt", _RAW_PROFILE + b"iptc\0\0" + zlib.compress(lines)))
        if self.comment:
            chunks.append((b"tEXt", b"Comment\0" + self.comment.replace(b"\0", b"")))
        return chunks

    def for_tiff(self) -> tuple[dict[int, bytes], list[str]]:
        """Tags of bytes for our TIFF writer, which takes `exif` and `dpi` itself."""
        from .exif import Exif

        tags, left = {_XMP_TAG: self.xmp, _IPTC: self.iptc}, self._left("texts")
        if self.comment and self.exif and Exif(self.exif).describes():
            left.append("comment")
        elif self.comment:
            tags[_DESCRIPTION] = self.comment.replace(b"\0", b"") + b"\0"
        return {tag: value for tag, value in tags.items() if value}, left

    def for_gif(self) -> tuple[bytes, list[str]]:
        """A comment, and what is left out."""
        return self.comment or b"", replace(self, comment=None).all_names()

    def all_names(self) -> list[str]:
        """Everything that it holds, for formats that have a place for nothing of it."""
        some = [name.upper() for name in ("exif", "xmp") if getattr(self, name)]
        return some + self._left("texts", "iptc", "comment", "dpi")

    def _common(self) -> dict[str, Any]:
        found = {"exif": self.exif, "xmp": self.xmp}
        return {name: value for name, value in found.items() if value}

    def _left(self, *names: str) -> list[str]:
        said = {"texts": f"PNG texts ({self._keywords()})", "iptc": "IPTC", "dpi": "dpi"}
        return [said.get(name, name) for name in names if getattr(self, name)]

    def _keywords(self) -> str:
        words = dict.fromkeys(
            content.split(b"\0")[0].decode("latin-1") for _, content in self.texts
        )
        return ", ".join(words)


def read_metadata(path: Path, image: Image.Image, turn: int) -> Metadata:
    """What an image file says; what of it is damaged is left out.

    Args:
        path: The file.
        image: The file as Pillow has opened it, its pixels loaded.
        turn: Its EXIF orientation.
    """
    kind, info = image.format, image.info
    found = Metadata(comment=_bytes(info.get("comment")))
    if kind == "PNG":
        found = _of_png(path)
    elif kind == "TIFF":
        found = _of_tiff(image)
    else:
        found = replace(found, exif=_bytes(info.get("exif")), xmp=_bytes(info.get("xmp")))
    if kind in ("JPEG", "MPO"):
        found = replace(found, **_of_jpeg(image))
    if kind == "BMP" and info.get("dpi"):
        found = replace(found, dpi=info["dpi"])
    exif = found.exif.removeprefix(b"Exif\0\0") if found.exif else b""
    found = replace(found, exif=exif if exif.startswith((b"II*\0", b"MM\0*")) else None)
    if found.dpi and turn in (5, 6, 7, 8):
        found = replace(found, dpi=found.dpi[::-1])
    return found


def _of_jpeg(image: Image.Image) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, content in getattr(image, "applist", ()):
        if name == "APP1" and content.startswith(_XMP_SEGMENT):
            found["xmp"] = content[len(_XMP_SEGMENT) :]
    blocks = image.info.get("photoshop")
    if isinstance(blocks, dict) and isinstance(blocks.get(0x0404), bytes):
        found["iptc"] = blocks[0x0404]
    unit, density = image.info.get("jfif_unit"), image.info.get("jfif_density")
    if unit in (1, 2) and density and min(density) > 0:
        found["dpi"] = tuple(value * (1 if unit == 1 else 2.54) for value in density)
    return found


def _of_png(path: Path) -> Metadata:
    found, texts = Metadata(), []
    for name, content in read_chunks(path):
        if name == b"pHYs" and len(content) == 9 and content[8] == 1:
            x, y = struct.unpack(">II", content[:8])
            found = replace(found, dpi=(x * _INCH, y * _INCH)) if x and y else found
        elif name == b"eXIf":
            found = replace(found, exif=content)
        elif name == b"iTXt" and content.startswith(_XMP_KEYWORD + b"\0"):
            found = replace(found, xmp=_international(content))
        elif name in _TEXTS and content.startswith(_RAW_PROFILE):
            found = _with_raw_profile(found, name, content)
        elif name in _TEXTS:
            texts.append((name, content))
    return replace(found, texts=tuple(texts))


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
        keyword.removeprefix(_RAW_PROFILE)
    )
    with suppress(zlib.error, ValueError, IndexError):
        lines = (zlib.decompress(rest[1:]) if name == b"zTXt" else rest).split(b"\n", 3)
        data = bytes.fromhex(lines[3].decode("ascii"))
        if kind == "exif" and not data.startswith((b"Exif\0\0", b"II", b"MM")):
            kind = "xmp"
            data = data.removeprefix(_XMP_SEGMENT)
        if kind == "iptc" and data.startswith(b"8BIM\x04\x04\0\0"):
            data = data[12 : 12 + int.from_bytes(data[8:12], "big")]
        return replace(found, **{kind: data}) if kind else found
    return found


def _of_tiff(image: Image.Image) -> Metadata:
    tags: Any = getattr(image, "tag_v2", {})
    kept = Image.Exif()
    with suppress(Exception):  # ruined tags are no reason to refuse the pixels
        all_ = image.getexif()
        for tag in _OF_TIFF:
            if tag in all_:
                kept[tag] = all_[tag]
        for below in (_EXIF_IFD, _GPS_IFD):
            if inner := all_.get_ifd(below):
                kept.get_ifd(below).update(inner)
    exif = None
    with suppress(Exception):
        exif = kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else None
    xmp, iptc = _bytes(tags.get(_XMP_TAG)), tags.get(_IPTC)
    if isinstance(iptc, tuple):  # of LONGs, as old programs write it
        with suppress(struct.error):
            iptc = struct.pack(f"<{len(iptc)}I", *iptc)
    dpi: Any = image.info.get("dpi") if 282 in tags else None
    said = (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 1 else None
    return Metadata(exif, xmp, iptc if isinstance(iptc, bytes) else None, said)


def _bytes(value: object) -> bytes | None:
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) and value else None


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _thumbnail(pixels: np.ndarray) -> bytes:
    step = max(1, min(pixels.shape[:2]) // (2 * _THUMBNAIL))
    small = pixels[::step, ::step]
    if small.dtype.kind == "f":
        small = to_bytes(coded(torch.from_numpy(small.astype(np.float32)).clamp(0, 1))[0]).numpy()
    eight = (small >> 8).astype(np.uint8) if small.dtype == np.uint16 else small
    colours = eight[..., :3] if eight.shape[2] >= 3 else eight[..., 0]
    image = Image.fromarray(np.ascontiguousarray(colours))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=80)
    return packed.getvalue()


def _true_xmp(xmp: bytes, size: tuple[int, int]) -> bytes:
    """XMP that says the size of the result, and that it is upright."""
    numbers = {
        b"tiff:Orientation": 1, b"tiff:ImageWidth": size[1], b"tiff:ImageLength": size[0],
        b"exif:PixelXDimension": size[1], b"exif:PixelYDimension": size[0],
    }  # fmt: skip
    for name, number in numbers.items():
        said = str(number).encode()
        xmp = re.sub(rb"(" + name + rb"\s*=\s*[\"'])\d+", rb"\g<1>" + said, xmp)
        xmp = re.sub(rb"(<" + name + rb">\s*)\d+", rb"\g<1>" + said, xmp)
    return re.sub(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", b"", xmp, flags=re.S)
