"""Reading any file gives pixels in [0, 1], or an error of one line that names it."""

import functools
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from kdsr import ImageError
from kdsr.files.images import DecodedImage, read_image, write_image
from tests.support.damage import damaged

KINDS = (
    "grey.png", "palette.png", "alpha.png", "deep.png", "deep_grey.png", "photo.jpg", "cmyk.jpg",
    "lossy.webp", "alpha.webp", "raw.tif", "lzw.tif", "deep.tif", "old.bmp", "photo.avif",
)  # fmt: skip


@functools.cache
def whole(name: str, folder: Path) -> bytes:
    """A small image of a kind, with EXIF and a profile where the format keeps them."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 20, 4), dtype=np.uint8)
    stem, form = name.split(".")
    if stem.startswith("deep"):
        values = torch.from_numpy(rng.random((3, 24, 20), dtype=np.float32))
        like = DecodedImage(values[None], deep=True, grey=stem == "deep_grey", icc=b"profile")
        write_image(folder / name, values, like)
        return (folder / name).read_bytes()
    image = Image.fromarray(pixels if stem == "alpha" else pixels[..., :3])
    if stem in ("grey", "palette", "cmyk"):
        image = image.convert({"grey": "L", "palette": "P", "cmyk": "CMYK"}[stem])
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    options = {} if form == "bmp" else {"exif": exif, "icc_profile": b"profile"}
    if form == "tif":
        options["compression"] = "tiff_lzw" if stem == "lzw" else "raw"
    buffer = io.BytesIO()
    image.save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(form, form), **options)
    return buffer.getvalue()


@pytest.fixture
def small_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lower limit: damaged sizes then cost no gigabytes."""
    monkeypatch.setenv("KDSR_MAX_PIXELS", str(1 << 18))


def check(path: Path) -> str:
    """Reads a file; fails unless it ends as promised, and says how it did."""
    try:
        found = read_image(path)
    except ImageError as error:
        message = str(error)
    else:
        for plane in (found.rgb, found.alpha):
            if plane is not None:
                assert plane.dtype == torch.float32
                assert 0 <= plane.min() <= plane.max() <= 1
        return "read"
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return "refused"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "seeds", [range(25), pytest.param(range(25, 400), marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.usefixtures("small_only")
def test_a_damaged_image_is_read_or_refused_in_one_line(
    tmp_path: Path, kind: str, seeds: range
) -> None:
    if kind.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = whole(kind, tmp_path)
    path = tmp_path / f"x.{kind.split('.')[1]}"
    path.write_bytes(data)
    assert check(path) == "read"
    outcomes = []
    for seed in seeds:
        path.write_bytes(damaged(data, seed))
        outcomes.append(check(path))
    assert "refused" in outcomes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("small_only")
def test_an_image_cut_anywhere_is_read_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    if kind.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = whole(kind, tmp_path)
    path = tmp_path / f"x.{kind.split('.')[1]}"
    for keep in {round(len(data) * part / 16) for part in range(16)} | {1, 2, 4, 8}:
        path.write_bytes(data[:keep])
        check(path)
    path.write_bytes(data[: len(data) // 3])
    assert check(path) == "refused"


XBM = b"#define a_width 8\n#define a_height 1\nstatic char a_bits[] = {\n0x01 };\n"


@pytest.mark.parametrize(
    "data",
    [
        XBM,
        b"P6 2 1 255 abcdef",  # PPM, another format that Pillow knows
    ],
    ids=["xbm", "ppm"],
)
def test_other_formats_are_not_opened_whatever_they_are_called(tmp_path: Path, data: bytes) -> None:
    with Image.open(io.BytesIO(data)):
        pass  # Pillow would
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.png: not an image that can be read \(PNG, JPEG"):
        read_image(tmp_path / "a.png")


def test_a_promised_format_is_read_under_any_promised_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(whole("lzw.tif", tmp_path))
    assert read_image(tmp_path / "a.jpg").rgb.shape == (1, 3, 20, 24)


def test_an_avif_is_read_and_a_broken_one_is_damaged(tmp_path: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = whole("photo.avif", tmp_path)
    (tmp_path / "a.avif").write_bytes(data)
    assert read_image(tmp_path / "a.avif").rgb.shape == (1, 3, 20, 24)
    (tmp_path / "a.avif").write_bytes(data[:370] + bytes(len(data) - 370))
    with pytest.raises(ImageError, match=r"a\.avif: the image is damaged or truncated"):
        read_image(tmp_path / "a.avif")


@pytest.mark.parametrize(
    "error",
    [
        AssertionError(), IndexError("x"), ZeroDivisionError("a\nb"), RecursionError(), KeyError(7),
        OverflowError("big"), RuntimeError("\x1b[2J"), SyntaxError("broken PNG file"), EOFError(),
    ],
    ids=repr,
)  # fmt: skip
def test_whatever_a_decoder_throws_is_a_damaged_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def decode(*_: object, **__: object) -> None:
        raise error

    path = tmp_path / "a.png"
    path.write_bytes(whole("grey.png", tmp_path))
    monkeypatch.setattr("numpy.asarray", decode)
    with pytest.raises(ImageError, match="the image is damaged or truncated") as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


def test_a_shortage_of_memory_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise MemoryError

    path = tmp_path / "a.png"
    path.write_bytes(whole("grey.png", tmp_path))
    monkeypatch.setattr("numpy.asarray", decode)
    with pytest.raises(ImageError, match="not enough memory"):
        read_image(path)


def test_an_unreadable_file_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "a.png"
    path.write_bytes(whole("grey.png", tmp_path))
    monkeypatch.setattr(Path, "open", denied)  # permissions themselves do not stop root
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value) == f"{path}: the file cannot be read: Permission denied"


def test_a_folder_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ImageError, match="a folder or device, not a file"):
        read_image(tmp_path / "a.png")


def test_what_pillow_warns_of_is_one_line_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = 6, "software"
    broken = exif.tobytes()[:-5]
    buffer = io.BytesIO()
    Image.new("RGB", (4, 2)).save(buffer, "JPEG", exif=broken)
    path = tmp_path / "a.jpg"
    path.write_bytes(buffer.getvalue())
    with warnings.catch_warnings(record=True) as shown, caplog.at_level(logging.WARNING, "kdsr"):
        warnings.simplefilter("always")
        assert read_image(path).rgb.shape == (1, 3, 4, 2)  # the orientation is still read
    assert not shown
    (message,) = caplog.messages
    assert message.startswith(f"{path}: ")
    assert message.isprintable()


@pytest.mark.parametrize("tag", [0, 9, 65535, "6", (6, 6), b"\x06", 1.5], ids=repr)
def test_an_odd_orientation_leaves_the_image_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: object
) -> None:
    Image.new("RGB", (4, 2)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "getexif", lambda _: {0x0112: tag})
    assert read_image(tmp_path / "a.png").rgb.shape[-2:] == ((4, 2) if tag == "6" else (2, 4))


def test_exif_that_cannot_be_read_costs_the_orientation_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Image.Image) -> None:
        raise SyntaxError("not a TIFF file")

    Image.new("RGB", (4, 2), "red").save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "getexif", fail)
    assert read_image(tmp_path / "a.png").rgb[0, :, 0, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["eight", "eight_grey", "sixteen", "sixteen_grey"])
def test_a_tiff_is_turned_once(tmp_path: Path, orientation: int, kind: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    grey, deep = "grey" in kind, "sixteen" in kind
    top = 65536 if deep else 256
    array = np.random.default_rng(0).integers(0, top, (3, 5) if grey else (3, 5, 3))
    array = array.astype(np.uint16 if deep else np.uint8)
    tags = [(0x0112, "H", 1, orientation, True)]
    photometric = "minisblack" if grey else "rgb"
    tifffile.imwrite(tmp_path / "a.tif", array, photometric=photometric, extratags=tags)
    turned = [
        array, array[:, ::-1], array[::-1, ::-1], array[::-1], array.swapaxes(0, 1),
        np.rot90(array, -1), np.rot90(array, 2).swapaxes(0, 1), np.rot90(array),
    ][orientation - 1]  # fmt: skip
    seen = (read_image(tmp_path / "a.tif").rgb[0] * (top - 1)).round().permute(1, 2, 0).numpy()
    assert np.array_equal(seen, turned if turned.ndim == 3 else turned[..., None].repeat(3, 2))
