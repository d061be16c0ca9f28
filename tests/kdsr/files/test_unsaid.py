"""A message names metadata that no result can hold; results make no claims about them."""

import io
import logging
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from kdsr.files.decoded_image import Metadata
from kdsr.files.images import read_image, write_image
from kdsr.files.metadata_reading import NOT_SQUARE, _of_avif
from kdsr.files.profiles import is_linear, profile_for
from tests.support.pngs import chunk, png

tifffile = pytest.importorskip("tifffile")

Y, X = np.mgrid[0:20, 0:28]
RGB = np.dstack([X * 8 + 20, Y * 10 + 10, (X + Y) * 4 + 5]).astype(np.uint8)
XMP = b"http://ns.adobe.com/xap/1.0/\0"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LINEAR = profile_for([(b"gAMA", struct.pack(">I", 100_000))], grey=False)
Make = Callable[[Path], object]


def jpeg(*segments: tuple[int, bytes], behind: bytes = b"", jfif: bytes = b"") -> Make:
    """A JPEG with further segments after its beginning, and bytes after its end."""
    packed = io.BytesIO()
    Image.fromarray(RGB).save(packed, "JPEG", quality=95)
    data = packed.getvalue()
    data = data[:13] + jfif + data[13 + len(jfif) :]  # unit and density follow 13 bytes
    more = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        for marker, content in segments
    )
    return lambda path: path.write_bytes(data[:2] + more + data[2:] + behind)


def pngs(*chunks: bytes) -> Make:
    return lambda path: path.write_bytes(png(RGB, *chunks))


def tiff(*tags: tuple[int, Any, int, Any], **options: Any) -> Make:
    kept = [(*tag, True) for tag in tags]
    return lambda path: tifffile.imwrite(
        path, RGB, photometric="rgb", extratags=kept, metadata=None, **options
    )


def xmp(attributes: str) -> tuple[int, bytes]:
    packet = f"<x:xmpmeta><rdf:Description {attributes} dc:title='harbour'/></x:xmpmeta>"
    return 0xE1, XMP + packet.encode()


def gif(path: Path) -> None:
    Image.fromarray(RGB).quantize(16).save(path)
    data = bytearray(path.read_bytes())
    data[12] = 113  # (113 + 15) / 64: twice as wide as high
    path.write_bytes(data)


def exr(path: Path) -> None:
    package = pytest.importorskip("OpenEXR")
    header = {"owner": "us", "comments": "by hand"}
    package.File(header, {"RGB": (RGB / 255).astype(np.float32)}).write(str(path))


PATH = b"Photoshop 3.0\x008BIM\x07\xd0\4path\0" + struct.pack(">I", 52) + bytes(52)
NAMED: dict[str, tuple[str, Make, str]] = {
    "credentials of a PNG": ("a.png", pngs(chunk(b"caBX", b"jumb")), "content credentials (C2PA)"),
    "credentials of a JPEG": (
        "a.jpg", jpeg((0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb" + bytes(24))),
        "content credentials (C2PA)",
    ),
    "chunks of others": ("a.png", pngs(chunk(b"npTc", bytes(8))), "chunks of PNG (npTc)"),
    "a gain map": ("a.jpg", jpeg(xmp('hdrgm:Version="1.0"')), "its gain map (HDR)"),
    "a motion photo": (
        "a.jpg",
        jpeg(xmp('GCamera:MotionPhoto="1"'), behind=b"\0\0\0\x18ftypmp42" + b"\xff\xd9" * 50),
        "the film behind it",
    ),
    "more XMP": (
        "a.jpg",
        jpeg(xmp('xmpNote:HasExtendedXMP="AB"'),
             (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(60))),
        "XMP of further segments",
    ),
    "temperatures": ("a.jpg", jpeg((0xE1, b"FLIR\0\1" + bytes(99))), "temperatures (FLIR)"),
    "clipping paths": ("a.jpg", jpeg((0xED, PATH)), "clipping paths"),
    "clipping paths of a TIFF": ("a.tif", tiff((34377, 7, 66, PATH[14:])), "clipping paths"),
    "a map": ("a.tif", tiff((33550, 12, 3, (1.0, 1.0, 0.0))), "its place on a map (GeoTIFF)"),
    "layers": ("a.tif", tiff((37724, 7, 20, bytes(20))), "Photoshop's layers"),
    "private tags": ("a.tif", tiff((65001, 3, 1, 7)), "tag 65001"),
    "a scale": ("a.tif", tiff(description="ImageJ=1.54\nunit=um"), "what ImageJ or OME say"),
    "attributes": ("a.exr", exr, "OpenEXR's attributes (comments, owner)"),
}  # fmt: skip
"""Name -> file, how it is made, and what is said of it when it is written as PNG."""


@pytest.mark.parametrize("kind", NAMED)
def test_it_is_named(tmp_path: Path, caplog, kind: str) -> None:
    name, make, words = NAMED[kind]
    make(tmp_path / name)
    found = read_image(tmp_path / name)
    assert not caplog.records, "it is said of results: estimates lose nothing"
    write_image(tmp_path / "b.png", found.rgb[0], found)
    assert words in caplog.text
    claims = read_image(tmp_path / "b.png").metadata.xmp or b"harbour"
    assert b"harbour" in claims
    assert not any(word in claims for word in (b"hdrgm", b"MotionPhoto", b"Extended"))
    caplog.clear()
    write_image(tmp_path / "c.png", found.rgb[0], found, strip=True)
    assert not caplog.records


OBLONG: dict[str, Make] = {
    "a.png": pngs(chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0))),
    "a.jpg": jpeg(jfif=b"\0\0\2\0\1"),
    "a.gif": gif,
    "a.tif": tiff(resolution=(2, 1), resolutionunit="NONE"),
}


@pytest.mark.parametrize("name", OBLONG)
def test_pixels_that_are_not_square_are_said(tmp_path: Path, caplog, name: str) -> None:
    OBLONG[name](tmp_path / name)
    read_image(tmp_path / name)
    assert NOT_SQUARE in caplog.text


def test_boxes_of_an_avif_are_heeded() -> None:
    said: list[str] = []
    oblong = b"\0\0\0\x10pasp" + struct.pack(">II", 4, 3)
    assert _of_avif(b"ftypavif" + oblong, Metadata(), said) == (Metadata(), Fraction(4, 3))
    assert not said
    clap, tmap = b"\0\0\0\x28clap" + bytes(32), b"\0\0\0\x15infe" + bytes(8) + b"tmap\0"
    found = _of_avif(b"ftypavif" + clap + tmap, Metadata(), said)
    assert found == (Metadata(foreign=("its gain map (HDR)",)), Fraction(1))
    assert said == ["what it crops is shown"]


def test_an_avif_that_says_its_depth_nowhere_but_in_its_codec_is_deep(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    values = RGB.astype(np.uint16) << 2
    data = imagecodecs.avif_encode(values, level=100, bitspersample=10)
    (tmp_path / "a.avif").write_bytes(data.replace(b"pixi", b"free"))
    assert read_image(tmp_path / "a.avif").deep


ICC_OF: dict[str, tuple[Make, str]] = {
    "grey.png": (
        lambda path: Image.fromarray(RGB[..., 0]).save(path, icc_profile=SRGB),
        "its profile is one of RGB, not of GRAY: left out",
    ),
    "junk.png": (
        lambda path: Image.fromarray(RGB).save(path, icc_profile=b"no profile" * 30),
        "its colour profile is damaged: left out",
    ),
    "packed.png": (
        pngs(chunk(b"iCCP", b"a\0\0no zlib")),
        "its colour profile is damaged: left out",
    ),
    "part.jpg": (
        jpeg((0xE2, b"ICC_PROFILE\0\1\2" + SRGB[:300])),  # the first of two parts
        "its colour profile is damaged: left out",
    ),
    "cut.jpg": (
        lambda path: Image.fromarray(RGB).save(path, icc_profile=SRGB[:300]),
        "its colour profile is damaged: left out",
    ),
}


@pytest.mark.parametrize("name", ICC_OF)
def test_a_profile_that_does_not_fit_is_left_out_with_a_line(tmp_path, caplog, name) -> None:
    make, words = ICC_OF[name]
    make(tmp_path / name)
    assert read_image(tmp_path / name).icc is None
    assert words in caplog.text


def test_cmyk_of_sixteen_bits_says_that_it_becomes_eight(tmp_path: Path, caplog) -> None:
    ink = np.dstack([RGB, RGB[..., :1]]).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated")
    assert not read_image(tmp_path / "a.tif").deep
    assert "of its 16 bits a channel 8 are kept" in caplog.text


def test_a_bmp_keeps_its_profile(tmp_path: Path) -> None:
    rows = RGB[::-1, :, ::-1].tobytes()  # 28 px: rows of whole words
    head = struct.pack("<IiiHHIIiiII", 124, 28, 20, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16)
    head += b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(rows), len(SRGB), 0)
    file = struct.pack("<IHHI", 138 + len(rows) + len(SRGB), 0, 0, 138)
    (tmp_path / "a.bmp").write_bytes(b"BM" + file + head + rows + SRGB)
    found = read_image(tmp_path / "a.bmp")
    assert found.icc == SRGB
    assert (found.rgb[0].movedim(0, -1) * 255).round().byte().numpy().tolist() == RGB.tolist()


SHOWN = {None: 188, LINEAR: 188, SRGB: 128}
"""Profile of floats of one half -> what a screen shows of them."""


@pytest.mark.parametrize("icc", SHOWN, ids=["none", "linear", "a curve"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_floats_are_what_their_profile_says(tmp_path: Path, icc: bytes, suffix: str) -> None:
    half = np.full((8, 8, 3), 0.5, np.float32)
    tifffile.imwrite(tmp_path / "a.tif", half, photometric="rgb", iccprofile=icc)
    found = read_image(tmp_path / "a.tif")
    target = tmp_path / f"b.{suffix}"
    write_image(target, found.rgb[0], found)
    with Image.open(target) as image:
        kept = image.info.get("icc_profile")
        assert (kept is None) == (icc is None)
        shown: Any = image
        if kept:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(kept))
            shown = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
        assert np.abs(np.asarray(shown).astype(int) - SHOWN[icc]).max() <= 1
    assert kept is None or is_linear(kept) is False
    write_image(tmp_path / "b.tif", found.rgb[0], found)
    assert np.abs(tifffile.imread(tmp_path / "b.tif") - half).max() < 1e-5
    assert read_image(tmp_path / "b.tif").icc == icc


def test_floats_with_a_curve_keep_what_is_beyond_white(tmp_path: Path) -> None:
    ramp = np.geomspace(0.01, 16, 64, dtype=np.float32)[None, :, None].repeat(3, 2)
    tifffile.imwrite(tmp_path / "a.tif", ramp, photometric="rgb", iccprofile=SRGB)
    found = read_image(tmp_path / "a.tif")
    assert found.rgb.max() <= 1
    write_image(tmp_path / "b.tif", found.rgb[0], found)
    assert np.abs(tifffile.imread(tmp_path / "b.tif") / ramp - 1).max() < 1e-5


TAGS = [(315, 2, 0, "an artist", True), (269, 2, 0, "a name", True), (306, 2, 0, "2019", True)]
KINDS = {"floats": np.float32, "words": np.uint16, "bytes": np.uint8}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_of_every_tiff_go_along(tmp_path: Path, caplog, kind, big: bool, order: str) -> None:
    values = RGB.astype(KINDS[kind]) // (255 if kind == "floats" else 1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, photometric="rgb", extratags=TAGS, bigtiff=big,
                     byteorder=order, resolution=(300, 300), resolutionunit="INCH",
                     metadata=None)  # fmt: skip
    found = read_image(path)
    for suffix in ("tif", "png"):
        write_image(tmp_path / f"b.{suffix}", found.rgb[0], found)
        again = read_image(tmp_path / f"b.{suffix}").metadata
        assert again.dpi == pytest.approx((300, 300), rel=1e-3)
        assert again.exif is not None
        exif = Image.Exif()
        exif.load(again.exif)
        assert [exif[tag] for tag in (315, 269, 306)] == ["an artist", "a name", "2019"]
    assert "left out" not in caplog.text


def test_primaries_of_a_tiff_go_along(tmp_path: Path) -> None:
    wide = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
    pairs = [part for value in wide for part in (round(value * 1000), 1000)]
    tags = [(318, 5, 2, (3127, 10_000, 3290, 10_000)), (319, 5, 6, tuple(pairs))]
    tiff(*tags)(tmp_path / "a.tif")
    found = read_image(tmp_path / "a.tif")
    assert {name for name, _ in found.colours} == {b"gAMA", b"cHRM"}
    write_image(tmp_path / "b.png", found.rgb[0], found)
    assert read_image(tmp_path / "b.png").colours == found.colours


def test_attributes_of_an_exr_go_along(tmp_path: Path, caplog) -> None:
    exr(tmp_path / "a.exr")
    found = read_image(tmp_path / "a.exr")
    write_image(tmp_path / "b.exr", found.rgb[0], found)
    assert read_image(tmp_path / "b.exr").metadata == found.metadata
    assert dict(found.metadata.attributes) == {"owner": "us", "comments": "by hand"}
    assert not caplog.records


def test_all_comments_of_a_jpeg_are_kept(tmp_path: Path) -> None:
    jpeg((0xFE, b"first"), (0xFE, b"second"))(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").metadata.comment == b"first\nsecond"


def test_iptc_of_several_segments_is_read_and_named_where_it_is_too_much(tmp_path, caplog) -> None:
    iptc = b"\x1c\x02\x78\0\x09a caption" * 5000
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    parts = [block[at : at + 65_000] for at in range(0, len(block), 65_000)]
    jpeg(*((0xED, b"Photoshop 3.0\0" + part) for part in parts))(tmp_path / "a.jpg")
    found = read_image(tmp_path / "a.jpg")
    assert found.metadata.iptc == iptc
    write_image(tmp_path / "b.png", found.rgb[0], found)
    assert read_image(tmp_path / "b.png").metadata.iptc == iptc
    assert not caplog.records
    write_image(tmp_path / "b.jpg", found.rgb[0], found)
    assert "IPTC of more than 64 KiB" in caplog.text


@pytest.mark.parametrize("exif", [b"junk" * 9, b"II*\0\x08\0\0\0\xff\xff" + bytes(9)])
def test_ruined_exif_is_said(tmp_path: Path, caplog, exif: bytes) -> None:
    jpeg((0xE1, b"Exif\0\0" + exif))(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").metadata.exif is None
    assert "its EXIF is ruined: left out" in caplog.text


@pytest.fixture(autouse=True)
def all_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "kdsr")
