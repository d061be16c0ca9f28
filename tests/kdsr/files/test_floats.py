"""Floats beyond white, in and out."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import kdsr
from kdsr import ImageError
from kdsr.files.images import DecodedImage, read_image, write_image

tifffile = pytest.importorskip("tifffile")
OpenEXR = pytest.importorskip("OpenEXR")

RAMP = np.geomspace(0.001, 16, 96, dtype=np.float32)[None, :, None].repeat(48, 0).repeat(3, 2)


def save(path: Path, values: np.ndarray) -> Path:
    """Saves like other programs: straight colours in TIFF, premultiplied ones in OpenEXR."""
    if path.suffix == ".exr":
        if values.shape[2] == 4:
            values = np.concatenate((values[..., :3] * values[..., 3:], values[..., 3:]), 2)
        names = {1: "Y", 3: "RGB", 4: "RGBA"}
        pixels = np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values)
        OpenEXR.File({}, {names[values.shape[2]]: pixels.astype(values.dtype)}).write(str(path))
        return path
    extra = {"extrasamples": ["unassalpha"]} if values.shape[2] == 4 else {}
    grey = values.shape[2] == 1
    pixels = values[..., 0] if grey else values
    tifffile.imwrite(path, pixels, photometric="minisblack" if grey else "rgb", **extra)
    return path


def seen(path: Path) -> np.ndarray:
    """Reads a file by other programs."""
    if path.suffix == ".exr":
        ((_, channel),) = OpenEXR.File(str(path)).channels().items()
        values = np.asarray(channel.pixels)
    else:
        values = tifffile.imread(path)
    return values if values.ndim == 3 else values[..., None]


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("source", ["a.tif", "a.exr"])
@pytest.mark.parametrize("target", ["b.tif", "b.exr"])
def test_they_come_back(tmp_path: Path, source: str, target: str, channels: int, kind) -> None:
    values = np.concatenate((RAMP, np.full_like(RAMP[..., :1], 0.5)), 2)[..., :channels]
    values = values.astype(kind)
    found = read_image(save(tmp_path / source, values))
    assert (found.grey, found.deep) == (channels == 1, True)
    assert 0 <= found.rgb.min() <= found.rgb.max() <= 1
    parts = [found.rgb[0]] if found.alpha is None else [found.rgb[0], found.alpha[0]]
    write_image(tmp_path / target, torch.cat(parts), found)
    again = seen(tmp_path / target)
    assert again.dtype == kind
    if channels == 4 and target == "b.exr":
        again = np.concatenate((again[..., :3] / again[..., 3:], again[..., 3:]), 2)
    np.testing.assert_allclose(again, values, rtol=1e-4 if kind == np.float32 else 3e-3)


def test_a_ramp_to_16_comes_through_the_network_within_one_percent(tmp_path: Path) -> None:
    found = read_image(save(tmp_path / "a.exr", RAMP))
    model = kdsr.load()
    write_image(tmp_path / "b.exr", model.upscale(found.rgb, dtype="fp32")[0], found)
    large = torch.from_numpy(seen(tmp_path / "b.exr").astype(np.float32))
    small = large.unflatten(0, (-1, 4)).unflatten(2, (-1, 4)).mean((1, 3)).numpy()
    middle = (slice(4, -4), slice(4, -4))
    bright = RAMP[middle] > 0.05
    off = np.abs(small[middle] / RAMP[middle] - 1)[bright]
    assert off.mean() < 0.01, off.mean()
    assert small.max() > 15


def test_what_a_format_cannot_hold_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = read_image(save(tmp_path / "a.exr", RAMP))
    with caplog.at_level(logging.WARNING, "kdsr"):
        write_image(tmp_path / "b.png", found.rgb[0], found)
    assert "PNG has no place for values beyond white" in caplog.text
    levels = (read_image(tmp_path / "b.png").rgb[0, 0, 0] * 65535).round().numpy()
    x = RAMP[0, :, 0]
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).clip(0, 1)
    assert np.abs(levels - srgb * 65535).max() <= 1


def test_an_ordinary_picture_can_be_written_as_floats(tmp_path: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert (found.floats, found.span) == (None, 1)
    write_image(tmp_path / "b.exr", found.rgb[0], found)
    again = read_image(tmp_path / "b.exr")
    torch.testing.assert_close(again.rgb, found.rgb, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["a.tif", "a.exr"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(tmp_path: Path, name: str, bad: float) -> None:
    values = RAMP.copy()
    values[3, 4, 1] = bad
    with pytest.raises(ImageError, match="NaN or infinite values"):
        read_image(save(tmp_path / name, values))


def test_values_below_0_are_said_to_be_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "kdsr"):
        read_image(save(tmp_path / "a.exr", RAMP - 0.5))
    assert "its values below 0 become 0" in caplog.text


def test_a_cut_exr_is_damaged(tmp_path: Path) -> None:
    data = save(tmp_path / "a.exr", RAMP).read_bytes()
    for part in (0.1, 0.5, 0.9):
        (tmp_path / "b.exr").write_bytes(data[: round(len(data) * part)])
        with pytest.raises(ImageError, match=r"b\.exr"):
            read_image(tmp_path / "b.exr")


@pytest.mark.parametrize(("channels", "grey"), [(3, False), (4, False), (3, True)])
def test_bytes_become_linear_light_in_openexr(tmp_path: Path, channels: int, grey: bool) -> None:
    like = DecodedImage(torch.zeros(1, 3, 4, 5), grey=grey)
    write_image(tmp_path / "a.exr", torch.full((channels, 4, 5), 188, dtype=torch.uint8), like)
    found = read_image(tmp_path / "a.exr")
    assert found.grey == grey
    assert torch.equal((found.rgb * 255).round(), torch.full((1, 3, 4, 5), 188.0))
    light = seen(tmp_path / "a.exr")[..., 0] / (188 / 255 if channels == 4 else 1)
    assert np.abs(light - 0.5).max() < 0.005
