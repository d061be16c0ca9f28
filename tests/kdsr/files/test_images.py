import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from kdsr import ImageError
from kdsr.files.decoded_image import Metadata
from kdsr.files.images import DecodedImage, read_image, write_image
from tests.support.pngs import chunk


def pixels(*shape: int, deep: bool = False) -> np.ndarray:
    kind = np.uint16 if deep else np.uint8
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, shape).astype(kind)


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_eight_bits_come_back_as_they_were(tmp_path: Path, suffix: str, channels: int) -> None:
    array = pixels(11, 13, channels)
    array[..., 3:] |= 1  # hidden colours are replaced
    if suffix == ".webp" and channels == 1:
        pytest.skip("WebP has no grey")
    path = tmp_path / f"a{suffix}"
    image = Image.fromarray(array[..., 0] if channels == 1 else array)
    if suffix == ".webp":
        image.save(path, lossless=True, exact=True)
    else:
        image.save(path)
    picture = read_image(path)
    assert picture.grey == (channels == 1)
    assert (picture.alpha is not None) == (channels == 4)
    parts = [picture.rgb[0]] if picture.alpha is None else [picture.rgb[0], picture.alpha[0]]
    write_image(tmp_path / "b.png", torch.cat(parts), picture)
    with Image.open(tmp_path / "b.png") as written:
        assert np.array_equal(np.asarray(written).reshape(array.shape), array)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_come_back_as_they_were(tmp_path: Path, suffix: str, channels: int) -> None:
    array = pixels(11, 13, channels, deep=True)
    values = torch.from_numpy(array.astype(np.float32) / 65535).permute(2, 0, 1)
    rgb = values[:1].expand(3, -1, -1) if channels == 1 else values[:3]
    alpha = values[None, 3:] if channels == 4 else None
    like = DecodedImage(rgb[None], alpha, grey=channels == 1, deep=True)
    path = tmp_path / f"a{suffix}"
    write_image(path, torch.cat((rgb, values[3:])), like)
    back = read_image(path)
    assert back.deep
    assert back.grey == (channels == 1)
    assert torch.equal(back.rgb[0], rgb)
    if channels == 4:
        assert back.alpha is not None
        assert torch.equal(back.alpha[0], values[3:])


def test_deep_pngs_of_many_rows_are_written_in_several_chunks(tmp_path: Path) -> None:
    values = torch.from_numpy(pixels(3, 600, 7, deep=True).astype(np.float32) / 65535)
    write_image(tmp_path / "a.png", values, DecodedImage(values[None], deep=True))
    assert (tmp_path / "a.png").read_bytes().count(b"IDAT") == 4
    assert torch.equal(read_image(tmp_path / "a.png").rgb[0], values)


def test_deep_files_say_of_themselves_what_other_programs_say(tmp_path: Path) -> None:
    ramp = np.arange(0, 65536, 771, dtype=np.uint16)[:85].reshape(5, 17)  # from 0 on
    Image.fromarray(ramp).save(tmp_path / "theirs.png")
    picture = read_image(tmp_path / "theirs.png")
    assert np.array_equal((picture.rgb[0, 0] * 65535).round().numpy(), ramp)
    for suffix in (".png", ".tif"):
        write_image(tmp_path / f"ours{suffix}", picture.rgb[0], picture)
    ours, theirs = ((tmp_path / f"{name}.png").read_bytes() for name in ("ours", "theirs"))
    assert ours[:33] == theirs[:33], "signature and header"
    with Image.open(tmp_path / "ours.tif") as image:
        tags = getattr(image, "tag_v2")  # noqa: B009 - not in Pillow's types
        kinds = {tag: tags.tagtype[tag] for tag in (256, 258, 259, 262, 273, 277, 279, 284)}
        assert kinds == {256: 4, 258: 3, 259: 3, 262: 3, 273: 4, 277: 3, 279: 4, 284: 3}
        assert np.array_equal(np.asarray(image), ramp)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_tiff_with_exif_of_either_byte_order_holds_the_same_pixels(
    tmp_path: Path, deep: bool, endian: str
) -> None:
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010F] = "maker"
    values = torch.from_numpy(pixels(3, 70, 20, deep=deep) / np.float32(65535 if deep else 255))
    metadata = Metadata(exif.tobytes().removeprefix(b"Exif\0\0"))
    like = DecodedImage(values[None], deep=deep, metadata=metadata)
    write_image(tmp_path / "a.tif", values, like)
    assert (tmp_path / "a.tif").read_bytes()[:2] == {"<": b"II", ">": b"MM"}[endian]
    assert torch.equal(read_image(tmp_path / "a.tif").rgb[0], values)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiff_beyond_4_gib_is_a_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: bool, channels: int
) -> None:
    tifffile = pytest.importorskip("tifffile")
    array = pixels(150, 70, channels, deep=deep)  # more than two strips
    values = torch.from_numpy(array.astype(np.float32) / (65535 if deep else 255)).movedim(-1, 0)
    like = DecodedImage(values[None], deep=deep, grey=channels == 1)
    rgb = values.expand(3, -1, -1) if channels == 1 else values
    for limit, magic in ((2**32, b"II*\0"), (2000, b"II+\0")):
        monkeypatch.setattr("kdsr.files.tiff_writing._LIMIT", limit)
        write_image(tmp_path / "a.tif", rgb, like)
        assert (tmp_path / "a.tif").read_bytes()[:4] == magic
        with Image.open(tmp_path / "a.tif") as image:
            assert image.size == (70, 150)
        found = tifffile.imread(tmp_path / "a.tif").reshape(array.shape)
        assert np.array_equal(found, array)


def test_a_16_bit_file_of_another_program_is_read(tmp_path: Path) -> None:
    skimage_io = pytest.importorskip("skimage.io")
    array = pixels(9, 8, 3, deep=True)
    skimage_io.imsave(tmp_path / "a.tif", array, check_contrast=False)
    picture = read_image(tmp_path / "a.tif")
    assert picture.deep
    assert np.array_equal((picture.rgb[0] * 65535).round().permute(1, 2, 0).numpy(), array)


def test_values_without_a_known_range_are_refused_rather_than_guessed(tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 8), 70_000, np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: signed or complex values"):
        read_image(tmp_path / "a.tif")


def test_palette_with_transparency_becomes_rgba(tmp_path: Path) -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png", transparency=1)
    picture = read_image(tmp_path / "p.png")
    assert picture.alpha is not None
    assert picture.alpha[0, 0, 0].tolist() == [1, 0, 1, 1]
    assert picture.rgb[0, :, 0, 0].tolist() == [1, 0, 0]


def test_transparency_that_no_pixel_has_is_none(tmp_path: Path) -> None:
    image = Image.fromarray(pixels(6, 5, 3)).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    image.save(tmp_path / "a.png", transparency=200)
    with Image.open(tmp_path / "a.png") as saved:
        assert "transparency" in saved.info
    assert read_image(tmp_path / "a.png").alpha is None


@pytest.mark.parametrize("deep", [False, True])
def test_a_png_is_packed_tighter_when_asked(tmp_path: Path, deep: bool) -> None:
    values = torch.from_numpy(pixels(3, 8, 40)).repeat(1, 9, 3) / 255
    for name, compress in (("fast", False), ("small", True)):
        like = DecodedImage(values[None], deep=deep)
        write_image(tmp_path / f"{name}.png", values, like, compress=compress)
    fast, small = ((tmp_path / f"{name}.png").stat().st_size for name in ("fast", "small"))
    assert small < fast


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    red, green, blue = read_image(tmp_path / "c.jpg").rgb[0, :, 0, 0].tolist()
    assert red > 0.9
    assert max(green, blue) < 0.1


@pytest.mark.parametrize(("mode", "kept"), [("CMYK", False), ("RGB", True), ("L", False)])
def test_a_profile_is_kept_where_it_fits_the_pixels(tmp_path: Path, mode: str, kept: bool) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "c.jpg", icc_profile=profile())
    assert read_image(tmp_path / "c.jpg").icc == (profile() if kept else None)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, deep: bool) -> None:
    array = pixels(3, 5, 3, deep=deep)
    path = tmp_path / "o.png"
    if deep:
        write_image(path, torch.from_numpy(array / 65535).float().permute(2, 0, 1), _deep_like())
        _add_exif(path, orientation)
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(array).save(path, exif=exif)
    turned = [
        array, array[:, ::-1], array[::-1, ::-1], array[::-1], array.swapaxes(0, 1),
        np.rot90(array, -1), np.rot90(array, 2).swapaxes(0, 1), np.rot90(array),
    ][orientation - 1]  # fmt: skip
    largest = 65535 if deep else 255
    seen = (read_image(path).rgb[0] * largest).round().permute(1, 2, 0).numpy()
    assert np.array_equal(seen, turned)


def _deep_like() -> DecodedImage:
    return DecodedImage(torch.zeros(1, 3, 1, 1), deep=True)


def _add_exif(path: Path, orientation: int) -> None:
    """Inserts an eXIf chunk behind the header of a PNG."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    block = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    data = path.read_bytes()
    path.write_bytes(data[:33] + block + data[33:])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_the_colour_profile_is_kept(tmp_path: Path, suffix: str, deep: bool) -> None:
    like = DecodedImage(torch.zeros(1, 3, 1, 1), deep=deep, icc=profile())
    write_image(tmp_path / f"a{suffix}", torch.rand(3, 8, 8), like)
    assert read_image(tmp_path / f"a{suffix}").icc == like.icc


def png_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(40, 40, 3)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_bytes()[:2000], "damaged or truncated"),
        (b"", "empty"),
        (b"just some text", "not an image"),
        (png_bytes()[:16] + bytes(4) + png_bytes()[20:], "damaged|not an image|no pixels"),
    ],
)
def test_broken_files_are_named_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_jpeg_refuses_transparency_rather_than_drop_it(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="JPEG cannot hold transparency"):
        write_image(tmp_path / "a.jpg", torch.rand(4, 8, 8), _deep_like())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [1, 300])
def test_a_grey_result_is_the_rounded_mean_of_its_colours(tmp_path: Path, rows: int) -> None:
    colours = torch.tensor([[10, 10, 11], [10, 11, 11], [0, 0, 1], [255, 255, 254]]).byte()
    pixels = colours.T[:, None].expand(3, rows, 4)
    write_image(tmp_path / "a.png", pixels, DecodedImage(torch.zeros(1, 3, 1, 1), grey=True))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        assert np.asarray(image).tolist() == [[10, 11, 0, 255]] * rows
