"""Animations keep what they say of themselves, opacity, and every value where they had it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from kdsr.cli import main
from kdsr.files.images import read_image
from kdsr.files.opening import is_lossless_webp
from kdsr.files.weights import save_checkpoint
from tests.support.identity import identity
from tests.support.pngs import animated_deep

pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

DATE = "2019:05:04 10:00:00"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
DURATIONS = [40, 80, 120]


@pytest.fixture
def kdsr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command in an empty folder, with a network that changes nothing."""
    save_checkpoint(identity(), tmp_path / "identity.safetensors")
    monkeypatch.chdir(tmp_path)
    steady = ["--model", "identity.safetensors", "--mode", "per-frame", "--dtype", "fp32"]
    return lambda *words: main(["upscale", *words, "--size", "1x", *steady])


def pictures(*, clear: bool = False) -> list[Image.Image]:
    y, x = np.mgrid[0:32, 0:48]
    made = []
    for index in range(3):
        planes = [x * 4 + 20 * index, y * 6, (x + y) * 2]
        planes += [(x * 5 - 30 * index).clip(0, 255)] if clear else []
        made.append(Image.fromarray(np.dstack(planes).clip(0, 255).astype(np.uint8)))
    return made


def save(name: str, *, clear: bool = False, **options) -> None:
    first, *others = pictures(clear=clear)
    if name.endswith(".avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    first.save(name, save_all=True, append_images=others, duration=DURATIONS, **options)


def with_texts(name: str) -> None:
    exif = Image.Exif()
    exif[0x0132] = DATE
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", '{"nodes": []}')
    by_format = {"png": {"pnginfo": texts, "exif": exif}, "gif": {"comment": b"by hand"}}
    save(name, **by_format.get(name[-3:], {"exif": exif, "xmp": XMP}))


@pytest.mark.parametrize("suffix", ["png", "webp", "avif", "gif"])
def test_metadata_goes_along_and_strip_leaves_it_out(kdsr, capsys, suffix: str) -> None:
    with_texts(f"a.{suffix}")
    assert kdsr(f"a.{suffix}", "-o", f"b.{suffix}") == 0
    assert "left out" not in capsys.readouterr().err
    with Image.open(f"b.{suffix}") as found:
        assert getattr(found, "n_frames", 1) == 3
        if suffix == "gif":
            assert found.info["comment"] == b"by hand"
        else:
            assert found.getexif()[0x0132] == DATE
        if suffix == "png":
            assert found.info["workflow"] == '{"nodes": []}'
        elif suffix != "gif":
            assert found.info["xmp"] == XMP
    assert kdsr(f"a.{suffix}", "-o", f"c.{suffix}", "--strip") == 0
    content = Path(f"c.{suffix}").read_bytes()
    for word in (DATE.encode(), XMP, b"workflow", b"by hand"):
        assert word not in content


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("a.png", "b.gif", "EXIF, PNG texts (workflow)"),
        ("a.png", "b.webp", "PNG texts (workflow)"),
        ("a.webp", "b.mp4", "EXIF, XMP"),
        ("a.gif", "b.webp", "comment"),
    ],
)
def test_what_a_format_has_no_place_for_is_named(kdsr, capsys, source, target, words) -> None:
    with_texts(source)
    assert kdsr(source, "-o", target) == 0
    said = capsys.readouterr().err
    assert f"can say it: {words}\n" in said


def test_the_xmp_of_a_gif_goes_along_or_is_named(kdsr, capsys) -> None:
    save("plain.gif")
    content = Path("plain.gif").read_bytes()
    at = content.index(b"\x21\xf9")  # in front of the first picture
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    block = b"\x21\xff\x0bXMP DataXMP" + XMP + trailer
    Path("a.gif").write_bytes(content[:at] + block + content[at:])
    assert kdsr("a.gif", "-o", "b.webp") == 0
    with Image.open("b.webp") as found:
        assert found.info["xmp"] == XMP
    assert "XMP" not in capsys.readouterr().err
    assert kdsr("a.gif", "-o", "b.gif") == 0
    assert "can say it: XMP\n" in capsys.readouterr().err


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_without_loss_stays_so(kdsr, lossless: bool) -> None:
    save("a.webp", clear=True, lossless=lossless, exact=True)
    assert is_lossless_webp(Path("a.webp")) == lossless
    assert kdsr("a.webp", "-o", "b.webp") == 0
    assert is_lossless_webp(Path("b.webp")) == lossless
    with Image.open("a.webp") as source, Image.open("b.webp") as result:
        for index in range(3):
            source.seek(index)
            result.seek(index)
            before, after = (
                np.asarray(one.convert("RGBA")).astype(int) for one in (source, result)
            )
            assert np.array_equal(before[..., 3], after[..., 3])
            seen = before[..., 3] > 0
            assert (np.abs(before - after)[seen].max() == 0) == lossless


@pytest.mark.parametrize("target", ["avif", "png", "webp", "mov"])
def test_opacity_of_an_animated_avif_is_kept(kdsr, target: str) -> None:
    save("a.avif", clear=True, quality=95)
    assert kdsr("a.avif", "-o", f"b.{target}") == 0
    if target == "mov":
        import av

        with av.open("b.mov") as film:
            frames = [one.to_ndarray(format="rgba")[..., 3] for one in film.decode(video=0)]
    else:
        with Image.open(f"b.{target}") as result:
            frames = []
            for index in range(3):
                result.seek(index)
                frames.append(np.asarray(result.convert("RGBA"))[..., 3])
    for picture, alpha in zip(pictures(clear=True), frames, strict=True):
        expected = np.asarray(picture)[..., 3].astype(int)
        assert np.abs(alpha.astype(int) - expected).max() <= 3


def test_sixteen_bits_of_an_animated_png_are_said_to_go(kdsr, capsys) -> None:
    save("eight.png")
    assert kdsr("eight.png", "-o", "b.png") == 0
    assert "bits" not in capsys.readouterr().err
    Path("deep.png").write_bytes(animated_deep())
    assert kdsr("deep.png", "-o", "c.png") == 0
    assert "more than 8 bits a channel" in capsys.readouterr().err
    assert not read_image(Path("c.png")).deep
