"""The number format of a file is read, converted or refused, never guessed."""

import io
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from kdsr import ImageError
from kdsr.files.images import DecodedImage, read_image, write_image
from kdsr.files.profiles import profile_for, space_of
from tests.support.pngs import chunk, png

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

DEEP = np.random.default_rng(0).integers(0, 65536, (9, 14, 4)).astype(np.uint16)
GREY, RGB = DEEP[..., :1], DEEP[..., :3]
KEPT = np.maximum(DEEP, 1)
"""Pixels with an alpha of at least 1, so that no colour is hidden."""


def seen(path: Path) -> np.ndarray:
    """(H, W, channels) uint16 of what is read; grey stays one channel."""
    found = read_image(path)
    parts = [found.rgb[:, :1] if found.grey else found.rgb]
    parts += [] if found.alpha is None else [found.alpha]
    return (torch.cat(parts, 1)[0].movedim(0, -1) * 65535).round().numpy().astype(np.uint16)


def tiff(path: Path, values: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, values, **options)
    return path


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        (GREY[..., 0], {"photometric": "miniswhite"}, 65535 - GREY),
        (GREY[..., 0], {"photometric": "miniswhite", "compression": "zlib"}, 65535 - GREY),
        (GREY[..., 0], {"photometric": "minisblack", "byteorder": ">"}, GREY),
        (RGB, {"photometric": "rgb", "byteorder": ">"}, RGB),
        (RGB, {"photometric": "rgb", "compression": "lzw", "predictor": True}, RGB),
        (RGB, {"photometric": "rgb", "bigtiff": True}, RGB),
        (RGB, {"photometric": "rgb", "tile": (16, 16), "compression": "zlib"}, RGB),
        (np.moveaxis(RGB, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}, RGB),
        (
            np.moveaxis(RGB, 2, 0),
            {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
            RGB,
        ),
        (DEEP, {"photometric": "rgb", "extrasamples": ["unspecified"]}, RGB),
        (KEPT, {"photometric": "rgb", "extrasamples": ["unassalpha"]}, KEPT),
        (
            KEPT[..., 2:],
            {"photometric": "minisblack", "extrasamples": ["unassalpha"]},
            KEPT[..., 2:],
        ),
    ],
    ids=range(12),
)
def test_sixteen_bits_of_a_tiff_are_all_read(
    tmp_path: Path, values: np.ndarray, options: dict[str, Any], expected: np.ndarray
) -> None:
    assert np.array_equal(seen(tiff(tmp_path / "a.tif", values, **options)), expected)


@pytest.mark.parametrize(("bits", "channels"), [(10, 1), (12, 1), (14, 1), (12, 3)])
def test_white_of_fewer_than_16_bits_is_white(tmp_path: Path, bits: int, channels: int) -> None:
    import imagecodecs

    values = (DEEP[:, :8, :channels] >> (16 - bits)).copy()
    values[0, 0], values[0, 1] = 2**bits - 1, 0
    packed = b"".join(imagecodecs.packints_encode(row.ravel(), bits) for row in values)
    photometric = "rgb" if channels == 3 else "minisblack"
    path = tiff(tmp_path / "a.tif", values, photometric=photometric)
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages[0]
        page.tags["BitsPerSample"].overwrite((bits,) * channels if channels > 1 else bits)
        page.tags["StripByteCounts"].overwrite(len(packed))
        start = page.dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(packed)
    found = seen(path)
    assert found[0, 0].tolist() == [65535] * channels
    assert found[0, 1].tolist() == [0] * channels
    expected = np.round(values * (65535 / (2**bits - 1)))
    assert np.array_equal(found, expected.astype(np.uint16))


def test_premultiplied_colours_are_divided_by_their_opacity(tmp_path: Path) -> None:
    alpha = np.full((4, 4, 1), 32768, np.uint16)
    colour = np.full((4, 4, 3), 16384, np.uint16)
    values = np.concatenate((colour, alpha), 2)
    path = tiff(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    assert seen(path)[0, 0].tolist() == [32768, 32768, 32768, 32768]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (GREY[..., 0].astype(np.uint32), {"photometric": "minisblack"}, "32-bit values"),
        (GREY[..., 0].astype(np.int16), {"photometric": "minisblack"}, "signed or complex"),
    ],
    ids=["u32", "i16"],
)
def test_numbers_without_a_meaning_are_refused(
    tmp_path: Path, values: np.ndarray, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(tiff(tmp_path / "a.tif", values, **options))


def test_without_tifffile_plain_deep_tiffs_are_read_and_others_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tiff(tmp_path / "plain.tif", RGB, photometric="rgb", compression="zlib")
    other = tiff(tmp_path / "other.tif", DEEP, photometric="rgb", extrasamples=["unspecified"])
    monkeypatch.setattr("kdsr.files.tiff_reading.load_tifffile", lambda: None)
    assert np.array_equal(seen(plain), RGB)
    with pytest.raises(ImageError, match="pip install tifffile imagecodecs"):
        read_image(other)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_of_a_png_are_all_read(tmp_path: Path, channels: int) -> None:
    (tmp_path / "a.png").write_bytes(png(KEPT[..., :channels]))
    assert np.array_equal(seen(tmp_path / "a.png"), KEPT[..., :channels])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_a_colour_that_is_named_transparent_is(tmp_path: Path, channels: int, deep: bool) -> None:
    pixels = np.full((3, 4, channels), 7, np.uint16 if deep else np.uint8)
    pixels[1, 2] = 9
    named = chunk(b"tRNS", struct.pack(f">{channels}H", *[9] * channels))
    (tmp_path / "a.png").write_bytes(png(pixels, named))
    found = read_image(tmp_path / "a.png")
    assert found.alpha is not None
    assert (found.alpha[0, 0] == 0).nonzero().tolist() == [[1, 2]]
    assert (found.grey, found.deep) == (channels == 1, deep)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_grey_of_few_bits_that_is_named_transparent_is(tmp_path: Path, bits: int) -> None:
    pixels = np.zeros((2, 8, 1), np.uint8)
    pixels[1, 3] = 1
    named = chunk(b"tRNS", struct.pack(">H", 1))
    (tmp_path / "a.png").write_bytes(png(pixels, named, bits=bits))
    found = read_image(tmp_path / "a.png")
    assert found.alpha is not None
    assert (found.alpha[0, 0] == 0).nonzero().tolist() == [[1, 3]]
    assert found.grey


@pytest.mark.parametrize("bits", [10, 12])
def test_an_avif_of_more_than_8_bits_keeps_them(tmp_path: Path, bits: int) -> None:
    import imagecodecs

    if not hasattr(imagecodecs, "avif_encode"):
        pytest.skip("this imagecodecs has no AVIF")
    values = RGB >> (16 - bits)
    packed = imagecodecs.avif_encode(values, level=100, bitspersample=bits)
    (tmp_path / "a.avif").write_bytes(packed)
    found = read_image(tmp_path / "a.avif")
    assert found.deep
    assert np.abs(seen(tmp_path / "a.avif") / 65535 - values / (2**bits - 1)).max() < 1 / 2**bits


def test_lab_becomes_srgb_without_a_profile_of_lab(tmp_path: Path) -> None:
    rgb = Image.new("RGB", (5, 4), (150, 170, 60))
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(rgb, *spaces, outputMode="LAB")
    assert lab is not None
    for icc in (ImageCms.ImageCmsProfile(spaces[1]).tobytes(), None):
        lab.info.pop("icc_profile", None)
        lab.save(tmp_path / "a.tif", icc_profile=icc)
        found = read_image(tmp_path / "a.tif")
        assert found.icc is None
        assert (found.rgb[0, :, 0, 0] * 255 - torch.tensor([150, 170, 60])).abs().max() < 3


def test_cmyk_without_a_profile_says_that_it_is_approximate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "c.jpg")
    with caplog.at_level(logging.WARNING, "kdsr"):
        read_image(tmp_path / "c.jpg")
    assert "approximate" in caplog.text


def ink_profile() -> bytes:
    """A profile of CMYK whose inks are all grey: each takes a quarter of the lightness."""
    nodes = [bin(node).count("1") for node in range(16)]
    table = bytes(value for inks in nodes for value in (255 - round(255 * inks / 4), 128, 128))
    line = bytes(range(256))
    identity = struct.pack(">9i", *[65536 * (i % 4 == 0) for i in range(9)])
    lut = b"mft1\0\0\0\0\x04\x03\x02\0" + identity + line * 4 + table + line * 3
    text = b"text\0\0\0\0inks\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"inks\0" + bytes(78)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"desc": desc, b"cprt": text, b"wtpt": white, b"A2B0": lut}
    head, data, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        head += name + struct.pack(">II", at + len(data), len(content))
        data += content
    start = struct.pack(
        ">I4sI4s4s4s12s4s28x3i", at + len(data), b"", 0x02400000, b"prtr", b"CMYK", b"Lab ",
        bytes(12), b"acsp", 63190, 65536, 54061,
    )  # fmt: skip
    return start.ljust(128, b"\0") + head + data


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_is_converted_by_its_profile(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    cyan.save(tmp_path / f"c{suffix}", icc_profile=ink_profile())
    with caplog.at_level(logging.WARNING, "kdsr"):
        found = read_image(tmp_path / f"c{suffix}")
    red, green, blue = (found.rgb[0, :, 8, 8] * 255).tolist()
    assert abs(red - green) + abs(green - blue) <= 3, "grey, as the profile says, and not cyan"
    assert 175 < green < 195, "L* of 75"
    assert found.icc is None
    assert "its CMYK colours are converted to sRGB" in caplog.text


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_grey_profile_goes_with_grey_alone(tmp_path: Path, mode: str) -> None:
    grey = profile_for([(b"gAMA", struct.pack(">I", 100_000))], grey=True)
    assert grey is not None
    image = Image.fromarray((DEEP[..., 0] >> 8).astype(np.uint8)).convert(mode)
    if mode == "RGB":
        image.putpixel((0, 0), (255, 0, 0))
    image.save(tmp_path / "a.png", icc_profile=grey, transparency=3 if mode == "L" else None)
    found = read_image(tmp_path / "a.png")
    assert (found.icc, found.grey) == ((None, False) if mode == "RGB" else (grey, True))


COLOURS = {
    "pq": [(b"cICP", bytes((9, 16, 0, 1)))],
    "p3": [(b"cICP", bytes((12, 13, 0, 1)))],
    "gamma": [(b"gAMA", struct.pack(">I", 100_000))],
    "adobe": [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
    ],
    "srgb": [(b"sRGB", b"\0")],
}


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("deep", [False, True])
def test_a_png_names_its_colours_as_its_source_did(tmp_path: Path, name: str, deep: bool) -> None:
    pixels = RGB if deep else (RGB >> 8).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png(pixels, *(chunk(*one) for one in COLOURS[name])))
    found = read_image(tmp_path / "a.png")
    write_image(tmp_path / "b.png", found.rgb[0], found)
    assert read_image(tmp_path / "b.png").colours == tuple(COLOURS[name])


@pytest.mark.parametrize(("name", "has"), [("p3", True), ("gamma", True), ("srgb", False)])
def test_other_formats_name_the_same_colours_by_a_profile(
    tmp_path: Path, name: str, has: bool
) -> None:
    like = DecodedImage(torch.zeros(1, 3, 1, 1), colours=tuple(COLOURS[name]))
    write_image(tmp_path / "a.jpg", torch.rand(3, 8, 8), like)
    icc = read_image(tmp_path / "a.jpg").icc
    assert (icc is not None) == has
    if icc is not None:
        assert space_of(icc) == "RGB"
        ImageCms.ImageCmsProfile(io.BytesIO(icc))


def test_hdr_can_be_named_in_png_alone(tmp_path: Path) -> None:
    like = DecodedImage(torch.zeros(1, 3, 1, 1), colours=tuple(COLOURS["pq"]))
    with pytest.raises(ImageError, match=r"a\.jpg: its colours \(PQ .* use --format png"):
        write_image(tmp_path / "a.jpg", torch.rand(3, 8, 8), like)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("numbers", "rgb", "expected"),
    [
        ((1, 13), (200, 40, 90), None),
        # By the published matrix of Display P3 to sRGB: 1.2249 -0.2247 0, -0.0420 1.0419 0, ...
        ((12, 13), (200, 100, 90), (215, 93, 85)),
        ((1, 8), (128, 128, 128), (188, 188, 188)),
    ],
)
def test_profiles_that_are_made_mean_what_they_are_made_from(
    numbers: tuple[int, int], rgb: tuple[int, int, int], expected: tuple[int, ...] | None
) -> None:
    icc = profile_for([(b"cICP", bytes((*numbers, 0, 1)))], grey=False)
    assert (icc is None) == (expected is None)
    if icc is not None and expected is not None:
        made = ImageCms.profileToProfile(
            Image.new("RGB", (1, 1), rgb), io.BytesIO(icc), ImageCms.createProfile("sRGB")
        )
        assert made is not None
        found = np.asarray(made)[0, 0].astype(int)
        assert np.abs(found - expected).max() <= 1, found


def test_the_profile_of_srgb_itself_matches_littlecms() -> None:
    from kdsr.files.profiles import _PRIMARIES, _SRGB, _profile

    ours = ImageCms.ImageCmsProfile(io.BytesIO(_profile(_PRIMARIES[1], _SRGB, "x", grey=False)))
    pixels = Image.fromarray((DEEP[..., :3] >> 8).astype(np.uint8))
    made = ImageCms.profileToProfile(pixels, ours, ImageCms.createProfile("sRGB"))
    assert made is not None
    assert np.abs(np.asarray(made).astype(int) - np.asarray(pixels)).max() <= 1


def test_lossless_webp_stays_lossless(tmp_path: Path) -> None:
    pixels = (RGB >> 8).astype(np.uint8)
    for lossless in (True, False):
        Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=lossless)
        found = read_image(tmp_path / "a.webp")
        assert found.lossless == lossless
        write_image(tmp_path / "b.webp", found.rgb[0], found)
        again = read_image(tmp_path / "b.webp")
        assert again.lossless == lossless
        assert torch.equal(again.rgb, found.rgb) == lossless


def test_more_pixels_than_allowed_are_refused_by_a_setting_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(tmp_path / "a.png").rgb.shape == (1, 3, 20, 30)
    assert Image.MAX_IMAGE_PIXELS == 10
    monkeypatch.setenv("KDSR_MAX_PIXELS", "500")
    with pytest.raises(ImageError, match=r"30 x 20 px are more than the 500 .* KDSR_MAX_PIXELS"):
        read_image(tmp_path / "a.png")
    monkeypatch.setenv("KDSR_MAX_PIXELS", "many")
    with pytest.raises(ImageError, match="must be a number of pixels, got 'many'"):
        read_image(tmp_path / "a.png")
