"""Content of an image file: pixels, and the metadata that are carried to the result."""

import io
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..estimation import visible
from ..pixels import coded, to_bytes
from .blocks import Chunks

XMP_KEYWORD = b"XML:com.adobe.xmp"
XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
RAW_PROFILE = b"Raw profile type "  # ImageMagick's way to put other metadata into PNG
INCH = 0.0254  # metres
IPTC, XMP_TAG = 33723, 700  # tags of TIFF
_SEGMENT = 65_533  # bytes of a segment of JPEG
_THUMBNAIL = 160  # pixels


@dataclass(frozen=True)
class Metadata:
    """Metadata that a result takes over from its source.

    Attributes:
        exif: Date, camera, place and more, without the word in front of it that JPEG has.
        xmp: XMP, metadata as XML.
        iptc: Captions and credits of news agencies, IIM records.
        dpi: Dots per inch, (x, y).
        texts: Chunks of PNG, whole: generators keep prompts and workflows in them.
        comment: Comment of a JPEG or GIF.
        attributes: (name, value) of OpenEXR, besides those about its pixels.
        foreign: Descriptions of metadata that no result can hold.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[bytes, bytes], ...] = ()
    comment: bytes | None = None
    attributes: tuple[tuple[str, Any], ...] = ()
    foreign: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Metadata()

    def renewed(
        self, size: tuple[int, int], factor: float, pixels: np.ndarray | None
    ) -> "Metadata":
        """Updates the metadata for the result: upright, with its size and thumbnail.

        Dots per inch are multiplied by the factor: prints keep their size, and scans their
        millimetres.

        Args:
            size: (height, width) of the result.
            factor: Enlargement of the result.
            pixels: (H, W, C), uint8, uint16 or floats, of the result or of a part of its rows;
                None leaves the thumbnail out.
        """
        from .exif import Exif, true_xmp  # only here: few images have any

        exif = self.exif
        if exif is not None:
            small = None if pixels is None else _thumbnail(pixels)
            exif = Exif(exif).renew(size, factor, small)
        dpi = self.dpi and (self.dpi[0] * factor, self.dpi[1] * factor)
        return replace(self, exif=exif, xmp=self.xmp and true_xmp(self.xmp, size), dpi=dpi)

    def for_jpeg(self) -> tuple[dict[str, Any], list[str]]:
        """Options of Pillow's JPEG encoder, and what they leave out."""
        options, left = self._common(), self._left("texts")
        exif, extra = options.pop("exif", b""), b""
        if exif and len(exif) + 6 <= _SEGMENT:
            options["exif"] = b"Exif\0\0" + exif
        elif exif:
            left.append("EXIF of more than 64 KiB")
        xmp = options.pop("xmp", b"")
        if xmp and len(xmp) + len(XMP_SEGMENT) <= _SEGMENT:
            extra += _segment(0xE1, XMP_SEGMENT + xmp)
        elif xmp:
            left.append("XMP of more than 64 KiB")
        if self.iptc and len(self.iptc) >= _SEGMENT - 40:
            left.append("IPTC of more than 64 KiB")
        elif self.iptc:
            body = self.iptc + b"\0" * (len(self.iptc) % 2)
            block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(self.iptc)) + body
            extra += _segment(0xED, b"Photoshop 3.0\0" + block)
        if self.comment and len(self.comment) > _SEGMENT:
            left.append("a comment of more than 64 KiB")
        elif self.comment:
            options["comment"] = self.comment
        if self.dpi:
            options["dpi"] = tuple(round(value) for value in self.dpi)
        return options | ({"extra": extra} if extra else {}), left

    def for_webp(self) -> tuple[dict[str, Any], list[str]]:
        """Options of Pillow's WebP encoder, and what they leave out."""
        return self._common(), self._left("texts", "iptc", "comment", "dpi")

    def for_png(self) -> tuple[list[tuple[bytes, bytes]], list[str]]:
        """Chunks, and what they leave out."""
        chunks = list(self.texts)
        if self.dpi:
            x, y = (round(value / INCH) for value in self.dpi)
            chunks.append((b"pHYs", struct.pack(">IIB", x, y, 1)))
        if self.exif:
            chunks.append((b"eXIf", self.exif))
        if self.xmp:
            chunks.append((b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + self.xmp))
        if self.iptc:
            lines = f"\niptc\n{len(self.iptc):8}\n{self.iptc.hex()}\n".encode()
            chunks.append((b"zTXt", RAW_PROFILE + b"iptc\0\0" + zlib.compress(lines)))
        if self.comment:
            chunks.append((b"tEXt", b"Comment\0" + self.comment.replace(b"\0", b"")))
        return chunks, self._left()

    def for_tiff(self) -> tuple[dict[int, bytes], list[str]]:
        """Tags of bytes for our TIFF writer, which takes `exif` and `dpi` itself."""
        from .exif import DESCRIPTION, Exif

        tags, left = {XMP_TAG: self.xmp, IPTC: self.iptc}, self._left("texts")
        if self.comment and self.exif and Exif(self.exif).describes():
            left.append("comment")
        elif self.comment:
            tags[DESCRIPTION] = self.comment.replace(b"\0", b"") + b"\0"
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
        said = {"texts": f"PNG texts ({self._keywords()})", "iptc": "IPTC"}
        exr = ", ".join(sorted(name for name, _ in self.attributes))
        some = [said.get(name, name) for name in names if getattr(self, name)]
        return some + ([f"OpenEXR's attributes ({exr})"] if exr else [])

    def _keywords(self) -> str:
        words = dict.fromkeys(
            content.split(b"\0")[0].decode("latin-1") for _, content in self.texts
        )
        return ", ".join(words)


@dataclass(frozen=True)
class DecodedImage:
    """Content of an image file.

    Attributes:
        rgb: (1, 3, H, W), float32 in [0, 1], or uint8 where that was asked for. Colours that
            are hidden (alpha 0) are replaced by those of visible neighbours, so that they steer
            nothing.
        alpha: (1, 1, H, W) in [0, 1], or None.
        grey: Whether the file was grey; it is then written so.
        deep: Whether it had more than 8 bits a channel; it is then written with 16 where the
            format can.
        icc: Its colour profile, kept as it is.
        colours: Chunks of PNG that say what its colours mean; see `kdsr.files.profiles`.
        lossless: Whether a WebP was without loss; it is then written so.
        floats: "float16" or "float32" if the file held linear light as floats, else None. Then
            `rgb` is coded by `kdsr.pixels`; where the format can, it is written back as floats.
        span: Span of that coding; above 1 if something is brighter than white.
        curved: The floats are no linear light: the profile says which curve they have.
        pages: Numbers of the pages of a TIFF, without its thumbnails and smaller copies; (0,) for
            all other files.
        metadata: Metadata: EXIF, XMP, IPTC, dots per inch, texts, comments.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    grey: bool = False
    deep: bool = False
    icc: bytes | None = None
    colours: Chunks = ()
    lossless: bool = False
    floats: str | None = None
    span: float = 1.0
    curved: bool = False
    pages: tuple[int, ...] = (0,)
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def weights(self) -> Tensor | None:
        """Weights of pixels in an estimate, as `mask`; None if all are equal."""
        return visible(self.alpha)

    @property
    def transparent(self) -> bool:
        """Whether any pixel lets something through."""
        return self.alpha is not None and bool((self.alpha < 1).any())


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
