"""Writes docs/formats.md from real files: inputs, results, and messages.

    python -m tools.formats

It makes a small file of every kind, reads and writes it like the command, and reads the result with
other programs. Needs the extras `tiff`, `exr` and `video`.
"""

import importlib.metadata
import logging
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import imagecodecs
import numpy as np
import OpenEXR
import PIL
import tifffile
import torch
from PIL import Image, ImageCms, PngImagePlugin, features

from kdsr.errors import KDSRError
from kdsr.files.images import DecodedImage, read_image, write_image
from kdsr.files.profiles import space_of
from kdsr.formats import FORMATS, format_of
from tools import film_formats

PAGE = Path(__file__).resolve().parents[1] / "docs/formats.md"
DEEP = np.random.default_rng(0).integers(1, 65536, (16, 24, 4)).astype(np.uint16)
BYTES = (DEEP >> 8).astype(np.uint8)
RGB8, RGB16 = BYTES[..., :3], DEEP[..., :3]
HDR = (RGB16 / 4096).astype(np.float32)
TARGETS = ("png", "jpg", "webp", "tif", "exr")
DATE = "2019:05:04 10:00:00"


def by_pillow(
    pixels: np.ndarray, mode: str | None = None, **options: Any
) -> Callable[[Path], object]:
    """Makes a function that saves by Pillow."""
    image = Image.fromarray(pixels)
    image = image.convert(mode) if mode else image
    return lambda path: image.save(path, **options)


def by_tifffile(pixels: np.ndarray, **options: Any) -> Callable[[Path], object]:
    """Makes a function that saves by tifffile."""
    return lambda path: tifffile.imwrite(path, pixels, **options)


def by_imagecodecs(pixels: np.ndarray, bits: int) -> Callable[[Path], object]:
    """Makes a function that saves an AVIF with a bit depth, by imagecodecs."""
    return lambda path: path.write_bytes(
        imagecodecs.avif_encode(pixels >> (16 - bits), level=95, bitspersample=bits)
    ) and None  # fmt: skip


def by_openexr(pixels: np.ndarray) -> Callable[[Path], object]:
    """Makes a function that saves linear light by OpenEXR."""
    return lambda path: OpenEXR.File({}, {"RGB": np.ascontiguousarray(pixels)}).write(str(path))


def deep_png(pixels: np.ndarray) -> Callable[[Path], object]:
    """Makes a function that saves a 16-bit PNG by imagecodecs."""
    return lambda path: (
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels))) and None
    )


def lab() -> Image.Image:
    """Makes a CIELab image."""
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    made = ImageCms.profileToProfile(Image.fromarray(RGB8), *profiles, outputMode="LAB")
    assert made is not None
    return made


PILLOW, TIFFFILE, CODECS, EXR = "Pillow", "tifffile", "imagecodecs", "OpenEXR"
KINDS: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("PNG 8 bit, RGB", "a.png", by_pillow(RGB8), PILLOW),
    ("PNG 8 bit, RGB with alpha", "a.png", by_pillow(BYTES), PILLOW),
    ("PNG 8 bit, grey with a transparent level", "a.png",
     by_pillow(BYTES[..., 0], transparency=int(BYTES[3, 4, 0])), PILLOW),
    ("PNG palette", "a.png", by_pillow(RGB8, "P"), PILLOW),
    ("PNG 16 bit, grey", "a.png", deep_png(DEEP[..., 0]), PILLOW),
    ("PNG 16 bit, grey with alpha", "a.png", deep_png(DEEP[..., 2:]), PILLOW),
    ("PNG 16 bit, RGB", "a.png", deep_png(RGB16), PILLOW),
    ("JPEG, RGB", "a.jpg", by_pillow(RGB8), PILLOW),
    ("JPEG, CMYK without a profile", "a.jpg", by_pillow(RGB8, "CMYK"), PILLOW),
    ("WebP, lossy", "a.webp", by_pillow(RGB8), PILLOW),
    ("WebP, lossless with alpha", "a.webp", by_pillow(BYTES, lossless=True), PILLOW),
    ("GIF of one picture", "a.gif", by_pillow(RGB8, "P"), PILLOW),
    ("BMP", "a.bmp", by_pillow(RGB8), PILLOW),
    ("AVIF 8 bit", "a.avif", by_pillow(RGB8), PILLOW),
    ("AVIF 10 bit", "a.avif", by_imagecodecs(RGB16, 10), CODECS),
    ("AVIF 12 bit", "a.avif", by_imagecodecs(RGB16, 12), CODECS),
    ("TIFF 8 bit, RGB", "a.tif", by_pillow(RGB8), PILLOW),
    ("TIFF CIELab", "a.tif", lambda path: lab().save(path), PILLOW),
    ("TIFF 16 bit, grey, white is 0", "a.tif",
     by_tifffile(DEEP[..., 0], photometric="miniswhite"), PILLOW),
    ("TIFF 16 bit, RGB, LZW", "a.tif",
     by_tifffile(RGB16, photometric="rgb", compression="lzw", predictor=True), PILLOW),
    ("TIFF 16 bit, RGB in planes", "a.tif",
     by_tifffile(np.moveaxis(RGB16, 2, 0), photometric="rgb", planarconfig="separate"), TIFFFILE),
    ("TIFF 16 bit, RGB and an unspecified channel", "a.tif",
     by_tifffile(DEEP, photometric="rgb", extrasamples=["unspecified"]), TIFFFILE),
    ("TIFF 16 bit, premultiplied alpha", "a.tif",
     by_tifffile(DEEP, photometric="rgb", extrasamples=["assocalpha"]), TIFFFILE),
    ("TIFF 32-bit integers", "a.tif",
     by_tifffile(DEEP[..., 0].astype(np.uint32), photometric="minisblack"), TIFFFILE),
    ("TIFF half floats", "a.tif", by_tifffile(HDR.astype(np.float16), photometric="rgb"), TIFFFILE),
    ("TIFF 32-bit floats", "a.tif", by_tifffile(HDR, photometric="rgb"), TIFFFILE),
    ("OpenEXR, float", "a.exr", by_openexr(HDR), EXR),
    ("OpenEXR, half", "a.exr", by_openexr(HDR.astype(np.float16)), EXR),
]  # fmt: skip


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collects the library's messages in the block, without file names."""
    said: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().split(": ", 1)[-1])

    logger, handler = logging.getLogger("kdsr"), Handler()
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


def enlarged(picture: DecodedImage) -> torch.Tensor:
    """Pixels of a result, enlarged by nearest neighbour instead of a network."""
    parts = [picture.rgb[0]] + ([] if picture.alpha is None else [picture.alpha[0]])
    return torch.cat(parts).repeat_interleave(2, 1).repeat_interleave(2, 2)


def described(path: Path) -> str:
    """Describes a result as other programs read it."""
    kind = format_of(path)
    assert kind is not None
    if path.suffix == ".exr":
        ((name, channel),) = OpenEXR.File(str(path)).channels().items()
        return f"OpenEXR, {name}, {channel.pixels.dtype}"
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            channels = {1: "grey", 2: "grey + alpha", 3: "RGB", 4: "RGB + alpha"}
            return f"TIFF, {channels[page.samplesperpixel]}, {page.dtype}"
    data = path.read_bytes()
    with Image.open(path) as image:
        mode = {"L": "grey", "LA": "grey + alpha", "RGBA": "RGB + alpha"}.get(
            image.mode, image.mode
        )
    if kind.name == "PNG":
        names = {0: "grey", 2: "RGB", 4: "grey + alpha", 6: "RGB + alpha"}
        return f"PNG, {names[data[25]]}, {data[24]} bit"
    lossless = ", lossless" if b"VP8L" in data[:64] else ""
    return f"{kind.name}, {mode}, 8 bit{lossless}"


def row_of(folder: Path, name: str, file: str, save: Callable[[Path], object], library: str) -> str:
    """Makes a line of the first table."""
    source = folder / file
    save(source)
    with heard() as said:
        try:
            picture = read_image(source)
        except KDSRError as error:
            reason = str(error).split(": ", 1)[-1]
            return f"| {name} | refused | {reason} | {library} |"
        written = format_of(source)
        assert written is not None
        target = folder / f"b{source.suffix if written.written else '.png'}"
        write_image(target, enlarged(picture), picture)
    return f"| {name} | {described(target)} | {'; '.join(said) or ''} | {library} |"


def with_everything(path: Path) -> None:
    """Saves an image with all metadata that its format supports."""
    exif = Image.Exif()
    exif[0x0132], exif[0x0112] = DATE, 6
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="t"/></x:xmpmeta>'
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"exif": exif, "dpi": (300, 300), "icc_profile": icc}
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", "a cat")
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options["pnginfo"] = info
    elif path.suffix == ".jpg":
        head = b"http://ns.adobe.com/xap/1.0/\0" + xmp
        block = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x06\x1c\x02\x78\0\x01c"
        segments = [(0xE1, head), (0xED, block)]
        options["extra"] = b"".join(
            bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content
            for marker, content in segments
        )
        options["comment"] = b"by hand"
    else:
        options["xmp"] = xmp
    if path.suffix == ".tif":
        options = {"tiffinfo": {700: xmp, 306: DATE, 274: 6}, "dpi": (300, 300), "icc_profile": icc}
    Image.fromarray(RGB8).save(path, **options)


def metadata_rows(folder: Path) -> Iterator[str]:
    """Yields the second table: metadata from each format into each other."""
    yield "| from | into | kept | left out, and said |\n|---|---|---|---|"
    for source in ("jpg", "png", "webp", "tif", "avif"):
        path = folder / f"m.{source}"
        with_everything(path)
        picture = read_image(path)
        for target in TARGETS:
            out = folder / f"n.{target}"
            with heard() as said:
                write_image(out, enlarged(picture), picture)
            again = read_image(out)
            kept = [
                name.upper() for name in ("exif", "xmp", "iptc") if getattr(again.metadata, name)
            ]
            if again.metadata.dpi:
                kept.append(f"dpi {picture.metadata.dpi[0]:.0f} -> {again.metadata.dpi[0]:.0f}"
                            if picture.metadata.dpi else "dpi")  # fmt: skip
            kept += ["texts"] if again.metadata.texts else []
            kept += [f"profile ({space_of(again.icc)})"] if again.icc else []
            left = "; ".join(line.split(": left out")[0].split(" for ")[-1] for line in said)
            yield f"| {source} | {target} | {', '.join(kept) or 'nothing'} | {left} |"


def page() -> str:
    """Makes the whole page."""
    versions = {
        "Python": platform.python_version(), "Pillow": PIL.__version__,
        "libtiff": features.version("libtiff"), "libavif": features.version("avif"),
        "tifffile": importlib.metadata.version("tifffile"), "imagecodecs": imagecodecs.__version__,
        "OpenEXR": OpenEXR.__version__, "PyAV": av.__version__,
        "FFmpeg": av.ffmpeg_version_info,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = [row_of(folder, *kind) for kind in KINDS]
        metadata = list(metadata_rows(folder))
        films = list(film_formats.rows(folder))
    holds = [
        f"| {one.name} | {', '.join(one.suffixes)} | {'yes' if one.written else 'no, PNG'} | "
        f"{'float' if one.floats else '16' if one.deep else '8' if one.written else ''} | "
        f"{'yes' if one.alpha else 'no'} |"
        for one in FORMATS
    ]
    return TEXT.format(
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        holds="\n".join(holds),
        kinds="\n".join(kinds),
        metadata="\n".join(metadata),
        films="\n".join(films),
    )


TEXT = """# Image formats

`python -m tools.formats` writes this page: it makes a file of every kind, reads it, writes it as
the command does, and looks at the result with other programs. This page: {versions}.

A file's content says its format, not its name. A result has the format of its source unless
`--format` or the name of the result says another one.

| format | names | written | bits a channel, at most | transparency |
|---|---|---|---|---|
{holds}

GIF, APNG, and animated WebP and AVIF are animations: see [video.md](video.md). A still GIF
becomes a PNG. Of TIFFs every page is upscaled, into a TIFF of as many pages; smaller copies of
pages are left out. Results above 256 MiB, PNG and TIFF, are written band by band as tiles finish;
TIFFs beyond 4 GiB are BigTIFFs, with the same metadata. `KDSR_MAX_PIXELS` limits what is read
(default: 65,536 x 65,536 px).

## Numbers

What a file says of its numbers is read, converted or refused, never guessed.

| comes in | goes out | what is said | read by |
|---|---|---|---|
{kinds}

Floats are linear light, of which white is 1, unless a profile says that they have a curve; of 8 or
16 bits a result has one, and so has its profile. A reversible curve (sRGB up to white, a logarithm
above) brings them into the range that networks know; values below 0 become 0. Deep TIFFs other
than grey and plain RGB need the extra `tiff`, OpenEXR the extra `exr`, AVIF of 10 and 12 bits
imagecodecs (without it they are read as 8 bits, and a line says so).

## Transparency

Colours under alpha 0 steer nothing: they are replaced by those of visible neighbours before
anything looks at them, and estimates weigh pixels by their opacity. JPEG refuses transparency; an
alpha channel that is opaque everywhere is dropped for it.

## Colour spaces

A profile (ICC) goes along as it is; one that is damaged or does not fit the pixels (RGB for a grey
picture) is left out, with a line. CMYK and CIELab become sRGB, by their profile where there is
one. PNG's cICP, gAMA, cHRM, sRGB, mDCV and cLLI go into PNG as they are, and the colours that AVIF
names become cICP. For other formats a profile is made that says the same; PQ and HLG have none, so
that such a result is refused with a line that names PNG.

## Metadata

EXIF is set upright, its sizes and thumbnail are made new. XMP says the new size. Dots per inch
are multiplied by the factor: prints keep their size, and the millimetres of a scan stay true.
What no result can say is named in one line: content credentials (C2PA), gain maps, motion photos,
clipping paths, layers, maps (GeoTIFF), ImageJ's and OME's scale, private tags and chunks. Pixels
that are not square are named, too. OpenEXR keeps its attributes (owner, comments) in OpenEXR.
`--strip` leaves all out but what colours mean.

{metadata}

## Films and animations

The same for films: each is made, upscaled by the command, and looked at. What is common to all
is in [video.md](video.md).

{films}
"""


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
