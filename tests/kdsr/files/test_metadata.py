"""Results keep the metadata of their source; metadata that would become false is updated."""

import io
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, features

from kdsr.files.decoded_image import Metadata
from kdsr.files.exif import Exif
from kdsr.files.images import read_image, write_image
from tests.support.pngs import chunk, png

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description dc:title="harbour" '
    b'tiff:Orientation="6" exif:PixelXDimension="12"/><tiff:ImageLength>8</tiff:ImageLength>'
    b"</rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x78\0\x09a caption"
SOURCES = ("a.jpg", "a.png", "deep.png", "a.webp", "a.tif", "deep.tif", "a.avif")
TARGETS = ("b.jpg", "b.png", "b.webp", "b.tif")


def exif_of(thumbnail: bool) -> bytes:
    """EXIF of a camera: taken on its side, with the sizes of its own file in it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0132] = 6, "Maker", "2019:05:04 10:00:00"
    exif[0x011A] = exif[0x011B] = 72.0
    exif.get_ifd(0x8769).update({0x9003: "2019:05:04 09:59:00", 0xA002: 12, 0xA003: 8})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 15.0)})
    data = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    if thumbnail:
        order = "<" if data[:2] == b"II" else ">"
        (first,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, first)
        data += b"\0" * (len(data) % 2)
        second = len(data)
        struct.pack_into(order + "I", data, first + 2 + 12 * count, second)
        old = jpeg_bytes((200, 0, 0))
        place = second + 2 + 24 + 4
        data += struct.pack(order + "HHHIIHHII", 2, 0x201, 4, 1, place, 0x202, 4, 1, len(old))
        data += struct.pack(order + "I", 0) + old
    return bytes(data)


def jpeg_bytes(colour: tuple[int, int, int]) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (8, 12), colour).save(packed, "JPEG")
    return packed.getvalue()


def make(path: Path, *, thumbnail: bool = False) -> Path:
    """A picture of 12 x 8 px, taken on its side, with everything that its format holds."""
    if path.suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    exif = exif_of(thumbnail)
    options: dict[str, Any]
    if path.name == "deep.png":
        metadata = Metadata(exif, XMP, IPTC, (300.0, 300.0))
        parts = [chunk(name, content) for name, content in metadata.for_png()[0]]
        texts = chunk(b"tEXt", b"parameters\0a cat, steps 20")
        path.write_bytes(png((pixels.astype(np.uint16) << 8), *parts, texts))
        return path
    if path.name == "deep.tif":
        tifffile = pytest.importorskip("tifffile")
        tags = [
            (274, "H", 1, 6, True),
            (700, "B", len(XMP), XMP, True),
            (33723, 7, len(IPTC), IPTC),
        ]
        tags += [(271, "s", 0, "Maker", True), (306, "s", 0, "2019:05:04 10:00:00", True)]
        tags[2] = (*tags[2][:4], True)
        deep = pixels.astype(np.uint16) << 8
        tifffile.imwrite(
            path, deep, photometric="rgb", extratags=tags, resolution=(300, 300),
            resolutionunit="INCH", metadata=None,
        )  # fmt: skip
        return path
    image = Image.fromarray(pixels)
    if path.suffix == ".png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_text("parameters", "a cat, steps 20")
        info.add_text("prompt", '{"3": "ü"}', zip=True)
        for name, content in Metadata(None, XMP, IPTC, None).for_png()[0]:
            info.add(name, content)
        options = {"pnginfo": info, "exif": exif, "dpi": (300, 300)}
    elif path.suffix == ".jpg":
        options = Metadata(exif, XMP, IPTC, (300.0, 300.0), comment=b"by hand").for_jpeg()[0]
    elif path.suffix == ".tif":
        tags = {700: XMP, 33723: IPTC, 271: "Maker", 306: "2019:05:04 10:00:00", 274: 6}
        options = {"tiffinfo": tags, "dpi": (300, 300)}
    else:
        options = {"exif": b"Exif\0\0" + exif, "xmp": XMP}
    image.save(path, **options)
    return path


def through(source: Path, target: Path, **options: Any) -> Metadata:
    """Enlarges a file fourfold, and says what the result says."""
    found = read_image(source)
    large = found.rgb[0].repeat_interleave(4, 1).repeat_interleave(4, 2)
    write_image(target, large, found, **options)
    return read_image(target).metadata


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_it_goes_from_every_format_to_every_other(
    tmp_path: Path, source: str, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = make(tmp_path / source)
    has = read_image(path).metadata
    with caplog.at_level(logging.WARNING, "kdsr"):
        said = through(path, tmp_path / target)
    with Image.open(tmp_path / target) as image:
        exif = image.getexif()
        assert image.size == (32, 48), "upright"
        assert exif[0x0132] == "2019:05:04 10:00:00"
        assert exif[0x010F] == "Maker"
        assert exif.get(0x0112, 1) == 1
        # Old versions of Pillow write none of these.
        if "tif" not in source and b"09:59:00" in (has.exif or b""):
            inner = exif.get_ifd(0x8769)
            assert inner[0x9003] == "2019:05:04 09:59:00"
            assert (inner[0xA002], inner[0xA003]) == (32, 48)
            assert exif.get_ifd(0x8825)[2] == (48.0, 8.0, 15.0)
    assert said.xmp is not None
    assert b'dc:title="harbour"' in said.xmp
    assert b'tiff:Orientation="1"' in said.xmp
    assert b'exif:PixelXDimension="32"' in said.xmp
    assert b"<tiff:ImageLength>48<" in said.xmp
    for name in ("iptc", "texts", "comment", "dpi"):
        there, carried = getattr(has, name), getattr(said, name)
        if name == "dpi" and there and carried:
            assert carried == pytest.approx((1200, 1200), rel=1e-3)
        elif there and carried and name != "comment":
            assert carried == there
        elif name == "comment" and there and target == "b.png":
            assert (b"tEXt", b"Comment\0by hand") in said.texts
        elif name == "comment" and there and target == "b.tif":
            with Image.open(tmp_path / target) as image:
                assert image.getexif()[0x010E] == "by hand"
        elif there and not carried:
            word = {"iptc": "IPTC", "texts": "parameters"}.get(name, name)
            assert word in caplog.text, f"{name} is lost without a word"


@pytest.mark.parametrize("target", ["b.jpg", "b.png", "b.webp"])
def test_a_thumbnail_is_made_anew_where_there_was_one(tmp_path: Path, target: str) -> None:
    path = make(tmp_path / "a.jpg", thumbnail=True)
    found = read_image(path)
    write_image(tmp_path / target, torch.zeros(3, 48, 32) + 0.5, found)
    exif = read_image(tmp_path / target).metadata.exif
    assert exif is not None
    start = exif.rindex(b"\xff\xd8\xff")
    with Image.open(io.BytesIO(exif[start:])) as small:
        assert small.size == (32, 48)
        assert np.abs(np.asarray(small).astype(int) - 128).max() < 4
    assert exif.count(b"\xff\xd8\xff") == 1, "the old one is gone"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_strip_leaves_all_out(tmp_path: Path, source: str, target: str) -> None:
    assert not through(make(tmp_path / source), tmp_path / target, strip=True)


def test_both_byte_orders_are_patched_in_place() -> None:
    little = exif_of(True)
    size = len(little)
    for data in (little, swapped_example()):
        renewed = Exif(data).renew((48, 32), 4, None)
        assert len(renewed) <= size
        again = Image.Exif()
        again.load(b"Exif\0\0" + renewed)
        assert again[0x0112] == 1
        assert float(again[0x011A]) == 288


def swapped_example() -> bytes:
    exif = Image.Exif()
    exif.endian = ">"
    exif[0x0112], exif[0x011A] = 6, 72.0
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("cut", [4, 9, 20, 60])
def test_ruined_exif_costs_the_exif_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (12, 8)).save(path, exif=b"Exif\0\0" + exif_of(False)[:cut], comment=b"kept")
    assert through(path, tmp_path / "b.jpg").comment == b"kept"


def test_a_prompt_of_comfyui_survives_whole(tmp_path: Path) -> None:
    text = chunk(b"iTXt", b"workflow\0\0\0\0\0" + '{"nodes": "ä"}'.encode())
    (tmp_path / "a.png").write_bytes(png(np.zeros((4, 5, 3), np.uint8), text))
    through(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert image.info["workflow"] == '{"nodes": "ä"}'


def test_metadata_of_imagemagick_is_taken_out_of_png_texts(tmp_path: Path) -> None:
    exif = exif_of(False)
    lines = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    text = chunk(b"tEXt", b"Raw profile type exif\0" + lines)
    (tmp_path / "a.png").write_bytes(png(np.zeros((8, 12, 3), np.uint8), text))
    through(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.getexif()[0x0112] == 1
        assert image.size == (32, 48)


@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_bigtiff_says_what_a_tiff_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, endian: str
) -> None:
    exif = Image.Exif()
    exif.endian = endian
    exif.load(b"Exif\0\0" + exif_of(False))
    exif[0x8298], exif[0x013B] = "us", "A long name of someone"
    inner = exif.get_ifd(0x8769)
    inner.update({0x829A: 0.004, 0x8827: 400, 0x9204: -0.5, 0x927C: b"\1\2\3\4\5\6\7\0\0"})
    exif.endian = endian
    data = exif.tobytes()
    assert data[6:8] == {"<": b"II", ">": b"MM"}[endian]
    written = Image.Exif()
    written.load(data)
    if 0x8827 not in written.get_ifd(0x8769):
        pytest.skip("this Pillow writes no inner EXIF")
    options = Metadata(data[6:], XMP, IPTC, (300.0, 300.0)).for_jpeg()[0]
    Image.new("RGB", (12, 8)).save(tmp_path / "a.jpg", **options)
    with caplog.at_level(logging.WARNING, "kdsr"):
        classic = through(tmp_path / "a.jpg", tmp_path / "classic.tif")
        monkeypatch.setattr("kdsr.files.tiff_writing._LIMIT", 1000)
        big = through(tmp_path / "a.jpg", tmp_path / "big.tif")
    assert (tmp_path / "big.tif").read_bytes()[:4] == b"II+\0"
    assert "left out" not in caplog.text
    assert (big.xmp, big.iptc, big.dpi) == (classic.xmp, classic.iptc, classic.dpi)
    said = {}
    for name in ("classic", "big"):
        with Image.open(tmp_path / f"{name}.tif") as image:
            found = image.getexif()
            top = {tag: found[tag] for tag in (0x010F, 0x0132, 0x013B, 0x8298, 0x0112)}
            said[name] = (top, found.get_ifd(0x8769), found.get_ifd(0x8825))
    assert said["big"] == said["classic"]
    assert said["big"][1][0x8827] == 400
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(tmp_path / "big.tif") as file:
        tags = file.pages.first.tags
        assert tags["ExifTag"].value["ISOSpeedRatings"] == 400
        assert tags["GPSTag"].value["GPSLatitude"] == (48, 1, 8, 1, 15, 1)
