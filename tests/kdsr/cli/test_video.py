"""`kdsr upscale` on videos: what comes out is what went in, larger."""

import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsr.cli import main
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.films import (
    FULL,
    LIMITED,
    bars_and_ramp,
    coded,
    packets_of,
    remuxed,
    shown,
    times_of,
    turn,
    write_film,
)
from tests.support.identity import identity
from tests.support.refusal import Refused

av = pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

UNEVEN = [0, 40, 73, 200, 207, 400]  # milliseconds
CARD = bars_and_ramp(64, 256)  # an SVT-AV1 of 2024 takes nothing lower


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_checkpoint(make_tiny(), folder / "tiny.safetensors")
    save_checkpoint(identity(), folder / "identity.safetensors")
    return folder


@pytest.fixture
def kdsr(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the command in an empty folder; gives its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, model: str = "tiny") -> int:
        weights = models / f"{model}.safetensors"
        return main(["upscale", *arguments, "--model", str(weights), "--dtype", "fp32"])

    return run


def noise(frames: int, height: int = 16, width: int = 24) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return [coded(rng.random((height, width, 3)), 1, LIMITED) for _ in range(frames)]


def first_frame(path: str):
    container = av.open(path)
    return next(container.decode(container.streams.video[0]))


def card(path: str, matrix: int, levels: int, bits: int = 8, **options) -> Path:
    pictures = [coded(CARD, matrix, levels, bits)] * 2
    return write_film(Path(path), pictures, matrix=matrix, levels=levels, **options)


def inside(rgb: np.ndarray) -> np.ndarray:
    """Pixels away from the bars' borders, where chroma of half the size mixes and rings."""
    columns = [x for x in range(256) if 10 <= x % 32 < 22]
    return rgb[[*range(24), *range(41, 64)]][:, columns]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_times_of_all_frames_and_sound_are_kept(kdsr, tmp_path: Path, suffix: str) -> None:
    write_film(Path("in.mkv"), noise(6), times=UNEVEN, sound="aac")
    assert kdsr("in.mkv", "-o", f"out.{suffix}") == 0
    expected = [Fraction(time, 1000) for time in UNEVEN]
    assert times_of(Path("in.mkv")) == expected
    found = times_of(Path(f"out.{suffix}"))
    # MP4 of a source in milliseconds: those that fit a constant rate are put right by less.
    assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(found, expected, strict=True))
    sound = packets_of(Path("in.mkv"), "audio")
    assert len(sound) > 15
    copied = packets_of(Path(f"out.{suffix}"), "audio")
    assert [data for _, data in copied] == [data for _, data in sound]
    assert [p.name for p in tmp_path.iterdir()] == ["in.mkv", f"out.{suffix}"] or not list(
        tmp_path.glob("*.kdsr-parts")
    )
    with av.open(f"out.{suffix}") as result:
        picture = result.streams.video[0]
        assert (picture.codec_context.name, picture.pix_fmt) == ("h264", "yuv420p")
        assert (picture.width, picture.height) == (96, 64)


def test_an_mp4_keeps_every_time_stamp_exactly(kdsr) -> None:
    write_film(Path("in.mp4"), noise(6), times=UNEVEN)
    assert kdsr("in.mp4", "-o", "out.mp4") == 0
    assert times_of(Path("out.mp4")) == times_of(Path("in.mp4"))
    content = Path("out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # players on the web begin at once


def test_subtitles_are_copied_or_a_line_says_how_to_keep_them(kdsr, capsys) -> None:
    Path("in.srt").write_text("1\n00:00:00,040 --> 00:00:00,200\nHello\n\n", encoding="utf-8")
    write_film(Path("in.mkv"), noise(6), subtitles=Path("in.srt"))
    assert kdsr("in.mkv", "-o", "out.mkv") == 0
    texts = packets_of(Path("in.mkv"), "subtitle")
    assert packets_of(Path("out.mkv"), "subtitle") == texts == [(Fraction(40, 1000), b"Hello")]
    assert capsys.readouterr().err == ""
    assert kdsr("in.mkv", "-o", "out.mp4") == 0
    assert "subtitles (srt)" in (said := capsys.readouterr().err)
    assert "name the result .mkv" in said
    assert said.count("\n") == 1


def test_streams_that_cannot_be_carried_along_are_named_in_one_line(kdsr, capsys) -> None:
    write_film(Path("plain.mkv"), noise(3))
    attached = ""

    def prepare(output, streams: list) -> None:
        nonlocal attached
        streams[1].metadata["title"] = "The making of"
        if hasattr(output, "add_attachment"):  # later than PyAV 14.2
            output.add_attachment("a.ttf", "font/ttf", b"\0\1\0\0")
            attached = ", attachment (a.ttf)"

    remuxed("plain.mkv", "in.mkv", 0, 0, prepare=prepare)
    assert kdsr("in.mkv", "-o", "out.mkv") == 0
    assert capsys.readouterr().err == (
        "kdsr: in.mkv: left out, as only pictures, sound and subtitles are kept: further pictures "
        f"(h264, The making of){attached}\n"
    )
    with av.open("out.mkv") as result:
        assert [stream.type for stream in result.streams] == ["video"]


BEGINNING = [{"id": 1, "start": 0, "end": 80, "time_base": Fraction(1, 1000),
              "metadata": {"title": "Beginning"}}]  # fmt: skip


def test_languages_titles_marks_and_chapters_come_along(kdsr) -> None:
    write_film(Path("plain.mkv"), noise(3), sound="aac")

    def prepare(output, streams: list) -> None:
        streams[1].metadata.update(language="fra", title="Commentary")
        streams[1].disposition = 2  # dubbed
        if hasattr(output, "set_chapters"):
            output.set_chapters(BEGINNING)

    remuxed("plain.mkv", "in.mkv", prepare=prepare)
    assert kdsr("in.mkv", "-o", "out.mkv") == 0
    with av.open("out.mkv") as result:
        sound = result.streams.audio[0]
        assert (sound.metadata["language"], sound.metadata["title"]) == ("fra", "Commentary")
        assert sound.disposition.value == 2
        if hasattr(result, "chapters"):
            (chapter,) = result.chapters()
            assert chapter["metadata"] == {"title": "Beginning"}
            assert chapter["end"] * chapter["time_base"] == Fraction(80, 1000)


@pytest.mark.skipif(not hasattr(av.container.OutputContainer, "set_chapters"), reason="PyAV 14.2")
def test_the_track_of_an_mp4_that_names_its_chapters_is_no_loss(kdsr, capsys) -> None:
    write_film(Path("plain.mp4"), noise(3))
    remuxed("plain.mp4", "in.mp4", prepare=lambda output, _: output.set_chapters(BEGINNING))
    with av.open("in.mp4") as source:
        assert [one.type for one in source.streams] == ["video", "data"]
    assert kdsr("in.mp4", "-o", "out.mp4") == 0
    assert "left out" not in capsys.readouterr().err
    with av.open("out.mp4") as result:
        assert [one["metadata"]["title"] for one in result.chapters()] == ["Beginning"]
    assert kdsr("in.mp4", "-o", "out.webp") == 0
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "subtitles are kept" in one]
    assert line.endswith(": chapters")


def test_webm_gets_vp9_and_opus_and_says_so(kdsr, capsys) -> None:
    write_film(Path("in.mp4"), noise(3), sound="aac")
    assert kdsr("in.mp4", "-o", "out.webm") == 0
    assert "becomes Opus" in capsys.readouterr().err
    with av.open("out.webm") as result:
        names = [stream.codec_context.codec.canonical_name for stream in result.streams]
    assert names == ["vp9", "opus"]


@pytest.mark.parametrize("matrix", [1, 6], ids=["BT.709", "BT.601"])
@pytest.mark.parametrize("levels", [LIMITED, FULL], ids=["limited", "full"])
def test_bars_and_ramp_go_through_unchanged(kdsr, matrix: int, levels: int) -> None:
    card("in.mp4", matrix, levels)
    before = first_frame("in.mp4")
    assert (before.colorspace, before.color_range) == (matrix, levels)
    assert kdsr("in.mp4", "-o", "out.mp4", "--crf", "0", model="identity") == 0
    after = first_frame("out.mp4")
    assert (after.colorspace, after.color_range) == (matrix, LIMITED)
    result = shown(after, matrix, LIMITED)
    assert np.abs(inside(result) - inside(CARD)).max() < 3 / 255


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "hevc"), ("webm", "av1"), ("mkv", "hevc")])
def test_ten_bits_stay_ten_bits(kdsr, suffix: str, codec: str) -> None:
    card("in.mp4", 1, LIMITED, 10, encoder="libx265", pixels="yuv420p10le",
         **{"x265-params": "log-level=none:lossless=1"})  # fmt: skip
    priority = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    assert kdsr("in.mp4", "-o", f"out.{suffix}", "--crf", "4", model="identity") == 0
    if priority is not None:
        assert os.sched_getscheduler(0) == priority, "SVT-AV1 takes all of root's processor"
    after = first_frame(f"out.{suffix}")
    assert after.format.name == "yuv420p10le"
    result = inside(shown(after, 1, LIMITED, 10))
    assert np.abs(result - inside(CARD)).mean() < 1.5 / 1023
    with av.open(f"out.{suffix}") as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_comes_out_upright(kdsr, degrees: int) -> None:
    card("in.mp4", 1, LIMITED)
    turn(Path("in.mp4"), degrees)
    assert kdsr("in.mp4", "-o", "out.mp4", "--crf", "0", model="identity") == 0
    after = first_frame("out.mp4")
    assert after.rotation == 0
    result = np.rot90(shown(after, 1, LIMITED), degrees // 90)  # turned back
    assert np.abs(inside(result) - inside(CARD)).max() < 3 / 255


def test_one_idr_for_all_frames_and_each_mode_give_results_of_their_own(kdsr) -> None:
    write_film(Path("in.mp4"), noise(4))
    Image.fromarray(np.full((16, 24, 3), 90, dtype=np.uint8)).save("a.png")
    assert kdsr("a.png", "--save-idr", "a.safetensors") == 0
    ways = {
        "smoothed": [], "locked": ["--mode", "locked"], "per-frame": ["--mode", "per-frame"],
        "idr": ["--idr", "a.safetensors"], "strength": ["--strength", "1.0", "--smoothing", "0"],
    }  # fmt: skip
    for name, options in ways.items():
        assert kdsr("in.mp4", "-o", f"{name}.mkv", "--crf", "0", *options) == 0
    made = {name: b"".join(data for _, data in packets_of(Path(f"{name}.mkv"), "video"))
            for name in ways}  # fmt: skip
    assert made["per-frame"] == made.pop("strength")  # not smoothed at all
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize(("suffix", "bits"), [("mp4", 8), ("webm", 8), ("mkv", 10)])
def test_an_odd_size_is_kept_at_1x_and_nothing_is_resampled(
    kdsr, capsys, suffix: str, bits: int
) -> None:
    column = np.arange(65) % 2 * (160 << bits - 8) + (40 << bits - 8)
    luma = np.tile(column, (47, 1)).astype(np.uint16 if bits > 8 else np.uint8)
    flat = np.full_like(luma, 128 << bits - 8)
    encoder, pixels = ("libx265", "yuv444p10le") if bits > 8 else ("libx264", "yuv444p")
    write_film(Path("in.mkv"), [[luma, flat, flat]] * 2, encoder=encoder, pixels=pixels)
    assert (
        kdsr("in.mkv", "-o", f"out.{suffix}", "--size", "1x", "--crf", "1", model="identity") == 0
    )
    after = first_frame(f"out.{suffix}")
    assert (after.width, after.height) == (65, 47)
    grey = after.to_ndarray(format="gray").astype(int)
    assert np.abs(np.diff(grey, axis=1)).min() > 140  # stripes of one pixel
    assert "an odd number of pixels" in capsys.readouterr().err


def test_other_odd_sizes_become_even(kdsr) -> None:
    write_film(Path("in.mkv"), noise(2))
    assert kdsr("in.mkv", "-o", "out.mp4", "--size", "1.5x") == 0
    assert kdsr("in.mkv", "-o", "width.mp4", "--size", "25w") == 0
    assert [first_frame(name).width for name in ("out.mp4", "width.mp4")] == [36, 24]


def test_a_folder_holds_videos_and_images(kdsr, capsys) -> None:
    Path("in").mkdir()
    write_film(Path("in/b.mp4"), noise(2))
    Image.new("RGB", (9, 8)).save("in/a.png")
    Image.new("RGB", (9, 8)).save("in/still.webp")
    Path("in/broken.mkv").write_bytes(b"nothing of the kind")
    assert kdsr("in", "-o", "out") == 2
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "a-kdsr.png", "b-kdsr.mp4", "still-kdsr.webp",
    ]  # fmt: skip
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("kdsr: error: in/broken.mkv: the video cannot be read")
    assert said[1:] == ["kdsr: 3 of 4 images and videos upscaled"]


def moving_square() -> list[Image.Image]:
    frames = []
    for shift in range(3):
        frame = Image.new("RGBA", (24, 16), (0, 0, 0, 0))
        frame.paste((250, 60 * shift, 10, 255), (2 + 6 * shift, 4, 12 + 6 * shift, 12))
        frames.append(frame)
    return frames


def write_gif(path: Path, **options) -> Path:
    frames = moving_square()
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[50, 120, 300],
                   disposal=2, **options)  # fmt: skip
    return path


def test_animations_keep_durations_opacity_and_repeats(kdsr) -> None:
    write_gif(Path("1.gif"), loop=0)
    for source, target in (("1.gif", "2.gif"), ("2.gif", "3.webp"), ("3.webp", "4.webp")):
        assert kdsr(source, "-o", target, model="identity") == 0
        with Image.open(target) as result:
            assert result.info["loop"] == 0
            durations = []
            for index, frame in enumerate(moving_square()):
                result.seek(index)
                pixels = np.asarray(result.convert("RGBA")).astype(int)
                durations.append(result.info["duration"])
                expected = np.asarray(frame).astype(int)
                assert ((pixels[..., 3] > 128) == (expected[..., 3] > 0)).all(), target
                seen = expected[..., 3] > 0
                assert np.abs(pixels - expected)[seen].mean() < 6, target
        assert durations == [50, 120, 300], target


def test_a_gif_that_plays_once_does_so_larger_and_becomes_a_video(kdsr) -> None:
    write_gif(Path("in.gif"))
    assert kdsr("in.gif", "-o", "out.gif") == 0
    with Image.open("out.gif") as after:
        assert "loop" not in after.info
        assert (after.size, getattr(after, "n_frames", 1)) == ((96, 64), 3)
    assert kdsr("in.gif", "-o", "out.mp4", model="identity") == 0
    assert times_of(Path("out.mp4")) == [0, Fraction(50, 1000), Fraction(170, 1000)]
    corner = first_frame("out.mp4").to_ndarray(format="rgb24")[0, 0]
    assert (corner > 250).all()  # what was transparent


def only_sound(path: Path) -> None:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def header_alone(path: Path) -> None:
    write_film(path, noise(2))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov")])


BAD = {
    "only sound": (only_sound, "it has no moving pictures, only audio"),
    "no index": (header_alone, "the video cannot be read"),
    "empty": (Path.touch, "the video cannot be read"),
    "missing": (lambda path: None, "no such file"),
    "a folder": (Path.mkdir, "holds no images or videos"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_video_is_refused_in_one_line(kdsr, refused: Refused, kind: str) -> None:
    make, said = BAD[kind]
    make(Path("in.mp4"))
    error = refused("upscale", "in.mp4", "-o", "out.mp4")
    assert error.startswith("kdsr: error: in.mp4: ")
    assert said in error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--map"], "--map is for images"),
        (["--wrap", "x"], "--wrap is for images"),
        (["--codec", "vp9"], "mp4 files are not written with vp9; use h264, hevc, av1"),
        (["--crf", "60"], "the crf of h264 must be 0 to 51"),
        (["--smoothing", "1"], "the smoothing must be 0 to less than 1"),
        (["-o", "out.avi"], "cannot write videos into this; end it in .mp4"),
        (["-o", "in.mp4"], "would replace what it is made from"),
    ],
)
def test_what_does_not_go_with_a_video_is_refused(kdsr, refused: Refused, options, said) -> None:
    write_film(Path("in.mp4"), noise(1))
    assert said in refused("upscale", "in.mp4", *options)


def test_without_pyav_one_line_names_the_extra(kdsr, refused: Refused, monkeypatch) -> None:
    write_film(Path("in.mp4"), noise(1))
    monkeypatch.setitem(sys.modules, "av", None)
    assert 'the extra "video" of kdsr' in refused("upscale", "in.mp4")
