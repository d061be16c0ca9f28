"""Files of rare kinds come out as they are, or are refused for what they are."""

import logging
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kdsr import ImageError
from kdsr.cli import main
from kdsr.files.images import DecodedImage, read_image, write_image
from tests.support.pngs import chunk

tifffile = pytest.importorskip("tifffile")
imagecodecs = pytest.importorskip("imagecodecs")

Y, X = np.mgrid[0:40, 0:56]
RGB = np.dstack([X * 4 + 20, Y * 5 + 10, (X + Y) * 2 + 5]).clip(0, 255).astype(np.uint8)
DEEP = np.dstack([X * 1100, Y * 1500, (X + Y) * 600]).astype(np.uint16)
GREY, ALPHA = RGB[..., 0], np.where((X - 20) ** 2 + (Y - 20) ** 2 < 200, 255, 0).astype(np.uint8)
LINEAR = (RGB / 64).astype(np.float32)
Make = Callable[[Path], object]
A_CHANNEL = "a channel that it does not describe is left out"


def tiff(values: np.ndarray, **options: Any) -> Make:
    return lambda path: tifffile.imwrite(path, values, **options)


def pages(*parts: tuple[np.ndarray, dict[str, Any]]) -> Make:
    def make(path: Path) -> None:
        with tifffile.TiffWriter(path) as file:
            for values, options in parts:
                file.write(values, **options)

    return make


def exr(channels: dict[str, np.ndarray], **header: Any) -> Make:
    def make(path: Path) -> None:
        package = pytest.importorskip("OpenEXR")
        kept = {name: np.ascontiguousarray(values) for name, values in channels.items()}
        package.File(header, kept).write(str(path))

    return make


def content(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


def interlaced(values: np.ndarray, colour_type: int) -> Make:
    """A PNG of 16 bits in Adam7's seven passes."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
              (0, 1, 1, 2))  # fmt: skip
    parts = [values[top::down, left::across] for left, top, across, down in passes]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts for row in part)
    head = struct.pack(">IIBBBBB", 56, 40, 16, colour_type, 0, 0, 1)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return content(b"\x89PNG\r\n\x1a\n" + body)


RIGHT: dict[str, tuple[str, Make, np.ndarray, str]] = {
    "interlaced colours": ("a.png", interlaced(DEEP, 2), DEEP, ""),
    "interlaced grey": ("a.png", interlaced(DEEP[..., 0], 0), DEEP[..., 0], ""),
    "tiles": ("a.tif", tiff(DEEP, tile=(16, 16), photometric="rgb"), DEEP, ""),
    "big-endian, LZW, predictor": (
        "a.tif",
        tiff(DEEP, byteorder=">", photometric="rgb", compression="lzw", predictor=True),
        DEEP, "",
    ),
    "JPEG in TIFF": ("a.tif", lambda path: Image.fromarray(RGB).save(path, compression="jpeg",
                                                                     quality=98), RGB, ""),
    "WebP in TIFF": ("a.tif", tiff(RGB, compression="webp", compressionargs={"lossless": True}),
                     RGB, ""),
    "an undescribed channel": (
        "a.tif", tiff(np.dstack([RGB, ALPHA]), photometric="rgb", extrasamples=["unspecified"]),
        RGB, A_CHANNEL,
    ),
    "a thumbnail first": (
        "a.tif", pages((RGB[::4, ::4], {"photometric": "rgb", "subfiletype": 1}),
                       (RGB, {"photometric": "rgb"})),
        RGB, "",
    ),
    "a mask": (
        "a.tif", pages((RGB, {"photometric": "rgb"}),
                       (ALPHA > 0, {"photometric": "mask", "subfiletype": 4})),
        RGB, "its transparency mask is left out",
    ),
    "a page that Pillow does not know": (
        "a.tif", pages((RGB, {"photometric": "rgb"}), (LINEAR, {"photometric": "rgb"})),
        RGB, "of its 2 pages the first is read",
    ),
}  # fmt: skip
"""Name -> file, how it is made, what is in it, and what is said."""


@pytest.mark.parametrize("kind", RIGHT)
def test_rare_kinds_are_read_as_they_are(tmp_path: Path, caplog, kind: str) -> None:
    name, make, expected, said = RIGHT[kind]
    make(tmp_path / name)
    found = read_image(tmp_path / name)
    top = 65535 if expected.dtype == np.uint16 else 255
    expected = expected[..., None].repeat(3, 2) if expected.ndim == 2 else expected
    got = found.rgb[0].movedim(0, -1).numpy() * top
    limit = 14 if "JPEG" in kind else 0.6
    assert np.abs(got - expected).max() < limit
    assert found.deep == (top > 255)
    messages = [record.getMessage().split(": ", 1)[1] for record in caplog.records]
    assert messages == ([said] if said else [])


def test_premultiplied_grey_is_divided_again(tmp_path: Path) -> None:
    opacity = (X * 4 + 30).astype(np.uint8)
    product = (GREY.astype(int) * opacity // 255).astype(np.uint8)
    tiff(np.dstack([product, opacity]), photometric="minisblack", extrasamples=["assocalpha"])(
        tmp_path / "a.tif"
    )
    found = read_image(tmp_path / "a.tif")
    assert found.grey
    assert found.alpha is not None
    assert torch.equal((found.alpha[0, 0] * 255).round().byte(), torch.from_numpy(opacity))
    assert np.abs(found.rgb[0, 0].numpy() * 255 - GREY).max() < 10  # of an opacity of 30


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)
REFUSED: dict[str, tuple[Make, str]] = {
    "a.heic": (content(HEIC), "it is a HEIC image"),
    "b.jpg": (content(HEIC), "it is a HEIC image"),
    "a.jxl": (content(b"\xff\x0a" + bytes(99)), "it is a JPEG XL image"),
    "c.jpg": (content(b"<!DOCTYPE html><html></html>"), "it is a web page"),
    "lfs.png": (content(b"version https://git-lfs.github.com/spec/v1\n"), "run git lfs pull"),
    "twelve.jpg": (
        lambda path: path.write_bytes(imagecodecs.jpeg_encode(DEEP >> 4, bitspersample=12)),
        "it is a JPEG of 12 bits",
    ),
    "lossless.jpg": (
        lambda path: path.write_bytes(imagecodecs.ljpeg_encode(DEEP[..., 0], bitspersample=16)),
        "it is a JPEG without loss",
    ),
    "signed.tif": (tiff(GREY.view(np.int8), photometric="minisblack"), "signed"),
    "volume.tif": (
        tiff(np.stack([GREY, GREY]), photometric="minisblack", volumetric=True),
        "a volume of 2 layers",
    ),
    "raw.dng": (
        tiff(RGB, photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)]),
        "a camera's raw file",
    ),
    "preview.tif": (
        pages((RGB[::4, ::4], {"photometric": "rgb", "subfiletype": 1, "subifds": 1}),
              (DEEP[..., 0], {"photometric": "minisblack"})),
        "a camera's raw file",
    ),
    "mixed.exr": (
        exr({"R": LINEAR[..., 0].astype(np.float16), "G": LINEAR[..., 1], "B": LINEAR[..., 2]}),
        "channels are of different kinds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_for_what_it_is(tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(ImageError, match=words) as caught:
        read_image(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


SAID_OF_EXR = {
    "window": ({"displayWindow": (np.array([0, 0], "i4"), np.array([99, 99], "i4"))},
               "its display window is left out"),
    "pixels": ({"pixelAspectRatio": 2.0}, "its pixels are not square"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAID_OF_EXR)
def test_what_no_result_says_of_an_exr_is_said(tmp_path: Path, caplog, kind: str) -> None:
    header, words = SAID_OF_EXR[kind]
    exr({"RGB": LINEAR}, **header)(tmp_path / "a.exr")
    read_image(tmp_path / "a.exr")
    assert words in caplog.text


BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)


@pytest.mark.parametrize("suffix", ["exr", "png", "tif"])
def test_primaries_of_an_exr_go_along(tmp_path: Path, caplog, suffix: str) -> None:
    package = pytest.importorskip("OpenEXR")
    exr({"RGB": LINEAR / 8}, chromaticities=BT2020)(tmp_path / "a.exr")
    found = read_image(tmp_path / "a.exr")
    target = tmp_path / f"b.{suffix}"
    write_image(target, found.rgb[0], found)
    assert not caplog.records
    if suffix == "exr":
        said = package.File(str(target), header_only=True).header()["chromaticities"]
        assert said == pytest.approx(BT2020, abs=1e-4)
    elif suffix == "png":
        assert {name for name, _ in read_image(target).colours} == {b"gAMA", b"cHRM"}
    else:  # linear light, by a profile of the same primaries
        icc = read_image(target).icc
        assert icc is not None
        assert icc[icc.index(b"para") + 8 :][:6] == bytes(2) + bytes(2) + b"\0\x01"


def test_another_curve_than_that_of_srgb_is_named_where_an_exr_loses_it(tmp_path, caplog) -> None:
    pytest.importorskip("OpenEXR")
    linear = PngInfo()
    linear.add(b"gAMA", struct.pack(">I", 100_000))
    numbers = [round(value * 100_000) for value in (*BT2020[6:], *BT2020[:6])]
    linear.add(b"cHRM", struct.pack(">8I", *numbers))
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=linear)
    found = read_image(tmp_path / "a.png")
    write_image(tmp_path / "b.exr", found.rgb[0], found)
    assert "a colour profile" in caplog.text


def test_pages_of_all_kinds_and_sizes_come_out_as_such(tmp_path: Path, bundled_weights) -> None:
    made = [(RGB, {"photometric": "rgb"}), (DEEP[:20], {"photometric": "rgb"}),
            (GREY[:, :30], {}), (LINEAR, {"photometric": "rgb"})]  # fmt: skip
    pages(*made)(tmp_path / "a.tif")
    command = ["upscale", str(tmp_path / "a.tif"), "-o", str(tmp_path / "b.tif"), "--size", "1x"]
    assert main([*command, "--model", str(bundled_weights)]) == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        found = [(page.shape, page.dtype) for page in file.pages]
    assert found == [(values.shape, values.dtype) for values, _ in made]


@pytest.mark.parametrize(("suffix", "side"), [("webp", 16_383), ("jpg", 65_500)])
def test_the_longest_side_of_a_format_is_written_and_one_more_is_refused(
    tmp_path: Path, suffix: str, side: int
) -> None:
    like = DecodedImage(torch.zeros(1, 3, 1, 1))
    write_image(tmp_path / f"a.{suffix}", torch.zeros(3, 2, side), like)
    assert read_image(tmp_path / f"a.{suffix}").rgb.shape[-1] == side
    with pytest.raises(ImageError, match=f"at most {side:,} px a side"):
        write_image(tmp_path / f"b.{suffix}", torch.zeros(3, 2, side + 1), like)


@pytest.fixture
def bundled_weights(tmp_path: Path) -> Path:
    from kdsr.files.weights import save_checkpoint
    from tests.support.identity import identity

    save_checkpoint(identity(), tmp_path / "identity.safetensors")
    return tmp_path / "identity.safetensors"


@pytest.fixture(autouse=True)
def all_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "kdsr")
