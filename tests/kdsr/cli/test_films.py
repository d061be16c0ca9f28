"""Results keep opacity, times, rotation and HDR metadata of films; cut films give a message."""

import struct
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from kdsr.cli import main
from kdsr.files.weights import save_checkpoint
from kdsr.video.film import Frame
from kdsr.video.reading import VideoFile
from tests.support.films import LIMITED, coded, packets_of, remuxed, times_of, write_film
from tests.support.identity import identity

av = pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

HEIGHT, WIDTH = 48, 64
TICK = Fraction(1, 25)
SLOW = pytest.mark.slow
STEADY = ["--mode", "per-frame", "--dtype", "fp32"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "identity.safetensors"
    save_checkpoint(identity(), path)
    return path


@pytest.fixture
def kdsr(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command in an empty folder, with a network that changes nothing."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: main(["upscale", *words, "--model", str(weights), *STEADY])


def grey(level: int, corner: int = 200) -> list[np.ndarray]:
    """Planes of a flat picture with a bright corner at the top left."""
    luma = np.full((HEIGHT, WIDTH), level, np.uint8)
    luma[: HEIGHT // 3, : WIDTH // 4] = corner
    half = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return [luma, half, half]


def frames_of(path: str, decoder: str = "") -> list:
    with av.open(path) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        return [frame for packet in container.demux(stream) for frame in context.decode(packet)]


def luma_of(path: str) -> np.ndarray:
    return np.stack([
        np.frombuffer(frame.planes[0], np.uint8).reshape(frame.height, -1)[:, : frame.width]
        for frame in frames_of(path)
    ]).astype(int)  # fmt: skip


def write(path: str, encoder: str, pixels: str, images: list[np.ndarray], form: str = "rgba",
          times: list[int] | None = None, **options: str) -> Path:  # fmt: skip
    """Writes (H, W, channels) pictures, 25 a second, or at the times named in ticks of that."""
    with av.open(path, "w") as output:
        video = output.add_stream(encoder, rate=25, options=options)
        context = video.codec_context
        context.height, context.width = images[0].shape[:2]
        context.pix_fmt, context.time_base = pixels, TICK
        if path.endswith(".webm"):
            video.metadata["alpha_mode"] = "1"
        for time, image in zip(times or range(len(images)), images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, form).reformat(format=pixels)
            frame.pts, frame.time_base = time, TICK
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return Path(path)


# Opacity


def half_clear(hidden: int) -> np.ndarray:
    """Left half hidden with some colour in it, right half red."""
    image = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    image[:, : WIDTH // 2, :3] = np.random.default_rng(hidden).integers(0, 256, (3,))
    image[:, WIDTH // 2 :] = (200, 40, 40, 255)
    return image


CLEAR_SOURCES = {
    "a.mov": ("prores_ks", "yuva444p10le", {"profile": "4444"}),
    "b.mov": ("qtrle", "argb", {}),
    "a.webm": ("libvpx-vp9", "yuva420p", {"auto-alt-ref": "0", "crf": "4", "b": "0"}),
    "b.mkv": ("ffv1", "bgra", {}),
}


def opacity(path: str) -> np.ndarray:
    """Opacity of the first frame: (left, right), 0 to 255."""
    if Path(path).suffix in (".webp", ".png", ".gif", ".avif"):
        with Image.open(path) as image:
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
    else:
        name = frames_of(path)[0].format.name
        vp9 = path.endswith((".webm", ".mkv")) and "yuva" not in name
        frame = frames_of(path, "libvpx-vp9" if vp9 else "")[0]
        alpha = frame.to_ndarray(format="rgba")[..., 3]
    return alpha[10, [8, -8]]


@pytest.mark.parametrize("source", CLEAR_SOURCES)
@pytest.mark.parametrize("suffix", ["mov", "webm", "mkv", "webp", "png", "gif"])
def test_what_is_transparent_stays_so(kdsr, source: str, suffix: str) -> None:
    encoder, pixels, options = CLEAR_SOURCES[source]
    write(source, encoder, pixels, [half_clear(1)] * 3, **options)
    assert kdsr(source, "-o", f"out.{suffix}") == 0
    left, right = opacity(f"out.{suffix}")
    assert left < 8
    assert right > 247


@pytest.mark.parametrize(("source", "encoder"), [("a.mov", "qtrle"), ("a.gif", "")])
def test_where_it_cannot_one_line_says_what_it_becomes(kdsr, capsys, source, encoder) -> None:
    if encoder:
        write(source, encoder, "argb", [half_clear(1)] * 2)
    else:
        images = [Image.fromarray(half_clear(n)) for n in (1, 2)]
        images[0].save(source, save_all=True, append_images=images[1:], disposal=2)
    assert kdsr(source, "-o", "out.mp4") == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "what is transparent becomes white; to keep it name the result .mov" in said
    shown = frames_of("out.mp4")[0].to_ndarray(format="rgb24")
    assert (shown[10, 8] > 250).all()


def test_colours_that_are_hidden_steer_nothing(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tiny, tmp_path / "tiny.safetensors")
    made = []
    for seed in (1, 2):
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
        image[..., 3] = 255
        hidden = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH // 2, 3), np.uint8)
        image[:, : WIDTH // 2] = np.dstack([hidden, np.zeros((HEIGHT, WIDTH // 2), np.uint8)])
        write("in.mov", "qtrle", "argb", [image] * 2)
        assert main(["upscale", "in.mov", "-o", "out.mov", "--overwrite", "--model",
                     "tiny.safetensors", "--dtype", "fp32"]) == 0  # fmt: skip
        made.append(packets_of(Path("out.mov"), "video"))
    assert made[0] == made[1]


@pytest.mark.parametrize("suffix", ["png", "avif"])
@pytest.mark.parametrize("target", ["png", "avif", "webp", "gif", "mp4"])
def test_png_and_avif_that_move_keep_frames_and_durations(kdsr, suffix, target) -> None:
    images = [Image.new("RGB", (WIDTH, HEIGHT), (60 * n, 80, 90)) for n in range(4)]
    durations = [40, 120, 80, 300]
    try:
        images[0].save(f"in.{suffix}", save_all=True, append_images=images[1:], duration=durations)
    except (OSError, KeyError):
        pytest.skip("this Pillow writes no AVIF")
    assert kdsr(f"in.{suffix}", "-o", f"out.{target}") == 0
    if target == "mp4":
        assert times_of(Path("out.mp4")) == [Fraction(n, 1000) for n in (0, 40, 160, 240)]
        return
    with Image.open(f"out.{target}") as result:
        found = []
        for index in range(result.n_frames):
            result.seek(index)
            result.load()
            found.append(round(result.info["duration"]))
            colour = np.asarray(result.convert("RGB"), float).mean((0, 1))
            assert np.abs(colour - (60 * index, 80, 90)).max() < 6
    assert found == durations


def test_a_png_of_one_picture_is_an_image(kdsr, capsys) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save("in.png")
    assert kdsr("in.png", "-o", "out.png") == 0
    assert "frames" not in capsys.readouterr().out


# Times


def test_dropped_frames_of_avi_leave_the_others_where_they_were(kdsr) -> None:
    images = [np.full((HEIGHT, WIDTH, 3), 230 if n == 25 else 40, np.uint8) for n in range(40)]
    kept = [n for n in range(40) if not (4 <= n < 20 and n % 2)]
    write("in.avi", "mjpeg", "yuvj420p", [images[n] for n in kept], "rgb24", times=kept)
    assert kdsr("in.avi", "-o", "out.mp4") == 0
    bright = luma_of("out.mp4").mean((1, 2)) > 100
    times = times_of(Path("out.mp4"))
    assert [time for time, lit in zip(times, bright, strict=True) if lit] == [1]
    assert times == [n * TICK for n in kept]


def transport(path: str, offset: float, seconds: int = 2, joined: bool = False) -> Path:
    """An MPEG-TS with sound that begins at a time; of pictures that are reordered."""
    options = {"output_ts_offset": str(offset), "muxdelay": "0", "muxpreload": "0"}
    with av.open(path, "w", format="mpegts", options=options) as output:
        video = output.add_stream("libx264", rate=25, options={"bf": "2", "g": "25"})
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        sound = output.add_stream("aac", rate=48_000, layout="mono")
        for index in range(25 * seconds):
            image = np.full((HEIGHT, WIDTH, 3), 40 + index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = index + round(offset * 25), TICK
            output.mux(video.encode(frame))
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), "fltp", "mono")
            tone.sample_rate, tone.time_base = 48_000, Fraction(1, 48_000)
            tone.pts = index * 1920 + round(offset * 48_000)
            output.mux(sound.encode(tone))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    return Path(path)


@pytest.mark.parametrize("offset", [0.2, 7.0, 95_442.7], ids=["early", "later", "over the wrap"])
def test_the_clock_of_a_transport_stream_may_begin_and_wrap_anywhere(kdsr, offset: float) -> None:
    transport("in.ts", offset)
    assert kdsr("in.ts", "-o", "out.mp4") == 0
    times = times_of(Path("out.mp4"))
    steps = {b - a for a, b in pairwise(times)}
    assert (len(times), steps) == (50, {TICK})
    end = packets_of(Path("out.mp4"), "audio")[-1][0]
    assert abs(end - times[-1]) < Fraction(1, 10)


def test_transport_streams_that_were_joined_go_on(kdsr, capsys) -> None:
    parts = [transport(f"{n}.ts", 1.4 + 5 * n).read_bytes() for n in (1, 0, 0)]
    Path("in.ts").write_bytes(b"".join(parts))
    assert kdsr("in.ts", "-o", "out.mp4") == 0
    times = times_of(Path("out.mp4"))
    assert len(times) == 150
    steps = [b - a for a, b in pairwise(times)]
    assert all(0 < step < Fraction(1, 8) for step in steps)
    assert abs(times[-1] - Fraction(149, 25)) < Fraction(1, 8)
    sound = [time for time, _ in packets_of(Path("out.mp4"), "audio")]
    assert abs(sound[-1] - times[-1]) < Fraction(1, 8)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_film_of_uneven_times_and_reordered_frames_ends_when_it_ended(kdsr, suffix) -> None:
    write_reordered("in.mp4", UNEVEN)
    assert kdsr("in.mp4", "-o", f"out.{suffix}") == 0
    assert [round(time / TICK) for time in times_of(Path(f"out.{suffix}"))] == UNEVEN[:-1]
    with av.open(f"out.{suffix}") as container:
        end = Fraction(container.duration or 0, av.time_base)
    assert abs(end - UNEVEN[-1] * TICK) < Fraction(1, 500)


def test_frames_last_until_the_next_one(tmp_path: Path) -> None:
    write_reordered(str(tmp_path / "in.mp4"), UNEVEN)
    with VideoFile(str(tmp_path / "in.mp4")).open() as reading:
        found = [item.duration / TICK for item in reading if isinstance(item, Frame)]
    assert found == [b - a for a, b in pairwise(UNEVEN)]


UNEVEN = [0, 3, 4, 6, 7, 8, 11, 12, 13, 14, 17, 18]


def write_reordered(path: str, times: list[int]) -> None:
    """Frames at times in ticks, the last of which is the end, stored out of order."""
    with av.open(path, "w") as output:
        video = output.add_stream("libx264", rate=25, options={"bf": "3", "b-adapt": "0"})
        context = video.codec_context
        context.height, context.width, context.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        context.time_base = TICK
        packets = []
        for index, time in enumerate(times[:-1]):
            image = np.full((HEIGHT, WIDTH, 3), 20 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = time, TICK
            packets += video.encode(frame)
        packets += video.encode(None)
        assert any(packet.pts != packet.dts for packet in packets[2:])
        # The file's end is that of the last packet: x264's stamps of decoding lie before.
        packets[-1].duration = times[-1] - packets[-1].dts + packets[0].dts
        for packet in packets:
            packet.stream = video
            output.mux(packet)


# Turns, crops, colours


@pytest.mark.parametrize("matrix", [
    (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0), (0, 1, -1, 0),
])  # fmt: skip
def test_mirrored_and_turned_pictures_come_out_as_they_are_shown(kdsr, matrix) -> None:
    write_film(Path("in.mp4"), [grey(60)] * 2)
    content = bytearray(Path("in.mp4").read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (one << 16 for one in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    Path("in.mp4").write_bytes(content)
    assert kdsr("in.mp4", "-o", "out.mp4") == 0
    before, after = grey(60)[0].astype(int), luma_of("out.mp4")[0]
    # By the definition: pixel (x, y) goes to (a x + c y, b x + d y), seen from the centre.
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    x, y = 2 * columns - WIDTH + 1, 2 * rows - HEIGHT + 1
    a, b, c, d = matrix
    height, width = (WIDTH, HEIGHT) if a == 0 else (HEIGHT, WIDTH)
    expected = np.zeros((height, width), int)
    expected[(b * x + d * y + height - 1) // 2, (a * x + c * y + width - 1) // 2] = before
    assert after.shape == expected.shape
    assert np.abs(after - expected).mean() < 4


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv"])
def test_a_crop_is_applied_and_a_360_degree_projection_is_named(kdsr, capsys, suffix) -> None:
    source = f"in.{suffix}"
    write_film(Path(source), [grey(60)] * 2)
    if suffix == "mkv":  # Colour, 11 bytes, gives its place to two crops and a void
        into_video(source, b"\x54\xcc\x81\x06\x54\xdd\x81\x02")
    else:
        clap = struct.pack(">8i", WIDTH - 8, 1, HEIGHT, 1, 4, 2, 0, 1)
        into_entry(source, box(b"clap", clap))
    assert kdsr(source, "-o", f"out.{suffix}") == 0
    expected = grey(60)[0][:, 6:-2].astype(int)
    found = luma_of(f"out.{suffix}")[0]
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 4
    assert "360" not in capsys.readouterr().err
    write_film(Path(source), [grey(60)] * 2)
    if suffix == "mkv":
        into_video(source, b"\x76\x70\x84\x76\x71\x81\x01")
    else:
        into_entry(source, box(b"sv3d", box(b"proj", box(b"equi", bytes(20)))))
    assert kdsr(source, "-o", f"round.{suffix}") == 0
    assert "left out" in (said := capsys.readouterr().err)
    assert said.count("the 360-degree projection") == 1


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def into_entry(path: str, extra: bytes) -> None:
    """Puts a box into what an MP4 or MOV with its index at the end says of its pictures."""
    content = bytearray(Path(path).read_bytes())
    place = content.rindex(b"moov") - 4
    around = [place]
    for name in (b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        place = content.index(name, place) - 4
        around.append(place)
    end = content.index(b"avcC", place) - 4
    for at in around:
        (size,) = struct.unpack_from(">I", content, at)
        struct.pack_into(">I", content, at, size + len(extra))
    content[end:end] = extra
    Path(path).write_bytes(content)


def into_video(path: str, extra: bytes) -> None:
    """Puts elements in the place of what a Matroska file says of colours."""
    content = bytearray(Path(path).read_bytes())
    at = content.index(b"\x55\xb0")
    total = 3 + (content[at + 2] & 0x7F)
    left = total - len(extra) - 2
    content[at : at + total] = extra + b"\xec" + bytes([0x80 | left]) + bytes(left)
    Path(path).write_bytes(content)


def test_hdr10_comes_along_or_a_line_names_it(kdsr, capsys) -> None:
    mastering = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    params = f"log-level=none:master-display={mastering}:max-cll=1000,400"
    options: dict[str, Any] = {"x265-params": params}
    rgb = np.full((HEIGHT, WIDTH, 3), 20_000, np.uint16)
    write("in.mkv", "libx265", "yuv420p10le", [rgb] * 3, "rgb48le", **options)
    for target in ("out.mp4", "out.mkv", "out.webm"):
        assert kdsr("in.mkv", "-o", target) == 0
        data = [
            {one.type.name: bytes(one) for one in frames_of(path)[0].side_data}
            for path in ("in.mkv", target)
        ]
        for name in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
            assert np.allclose(numbers(data[0][name]), numbers(data[1][name]), rtol=2e-3), target
    assert capsys.readouterr().err == ""
    assert kdsr("in.mkv", "-o", "out.gif") == 0
    assert "the mastering display and the light level of HDR10" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["transfer=arib-std-b67", "transfer=smpte2084", "colorprim=bt2020"]
)
def test_an_animation_of_hdr_colours_is_said_to_look_pale(kdsr, capsys, words: str) -> None:
    rgb = np.full((HEIGHT, WIDTH, 3), 20_000, np.uint16)
    options: dict[str, Any] = {"x265-params": f"log-level=none:{words}"}
    write("in.mkv", "libx265", "yuv420p10le", [rgb] * 2, "rgb48le", **options)
    assert kdsr("in.mkv", "-o", "out.mp4") == 0
    assert "HDR" not in capsys.readouterr().err
    assert kdsr("in.mkv", "-o", "out.webp") == 0
    assert "its HDR colours (it will look pale)" in capsys.readouterr().err


def test_raw_dv_is_as_fast_as_it_was(kdsr) -> None:
    rgb = np.full((576, 720, 3), 90, np.uint8)
    write("in.dv", "dvvideo", "yuv420p", [rgb] * 3, "rgb24")
    with av.open("in.dv") as source:
        assert source.format.name == "dv"
    assert kdsr("in.dv", "-o", "out.mp4", "--crf", "51") == 0
    assert times_of(Path("out.mp4")) == [0, Fraction(1, 25), Fraction(2, 25)]


def numbers(data: bytes) -> list[float]:
    values = np.frombuffer(data, np.int32)
    return (
        list(values[:20:2] / values[1:20:2]) if len(values) > 4 else list(values[:2].astype(float))
    )


def test_language_and_title_of_the_pictures_come_along(kdsr) -> None:
    write_film(Path("plain.mkv"), [grey(60)] * 2)
    said = {"language": "fra", "title": "Le film"}
    remuxed("plain.mkv", "in.mkv", prepare=lambda _, streams: streams[0].metadata.update(said))
    for target in ("out.mkv", "out.webm"):
        assert kdsr("in.mkv", "-o", target) == 0
        with av.open(target) as result:
            assert said.items() <= result.streams.video[0].metadata.items()


# Cut and damaged films

FRAMES = 40


def panning(path: str, count: int, **options) -> Path:
    rng = np.random.default_rng(0)
    pictures = [coded(rng.random((HEIGHT, WIDTH, 3)), 1, LIMITED) for _ in range(count)]
    return write_film(Path(path), pictures, crf="30", **options)


def index_first(path: str) -> None:
    with (
        av.open(path) as source,
        av.open("first.mp4", "w", options={"movflags": "faststart"}) as to,
    ):
        streams = {s: to.add_stream_from_template(s, opaque=True) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream]
                to.mux(packet)
    Path("first.mp4").replace(path)


@pytest.mark.parametrize(
    "part", [pytest.param(0.3, marks=SLOW), 0.71, pytest.param(0.95, marks=SLOW)]
)
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.avi", "in.flv"])
def test_a_cut_film_keeps_what_is_there_and_says_what_is_missing(
    kdsr, capsys, source: str, part: float
) -> None:
    if source == "in.avi":
        rng = np.random.default_rng(0)
        images = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(FRAMES)]
        write(source, "mpeg4", "yuv420p", images, "rgb24")
    else:
        panning(source, FRAMES, sound="aac")
    if source == "in.mp4":
        index_first(source)
    assert kdsr(source, "-o", "whole.mp4") == 0
    content = Path(source).read_bytes()
    Path(source).write_bytes(content[: int(len(content) * part)])
    capsys.readouterr()
    assert kdsr(source, "-o", "out.mp4") == 2
    said = capsys.readouterr()
    kept = len(times_of(Path("out.mp4")))
    assert FRAMES * part - 12 <= kept < FRAMES
    assert f"{kept} frames)" in said.out
    (line,) = [line for line in said.err.splitlines() if "missing" in line]
    missing = int(line.split(" of its frames")[0].split()[-1])
    assert abs(missing - (FRAMES - kept)) <= 1
    assert times_of(Path("out.mp4"))[-1] < FRAMES * TICK


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations_cut_anywhere_are_told(kdsr, capsys, suffix: str) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)) for _ in range(8)]
    images[0].save(f"whole.{suffix}", save_all=True, append_images=images[1:], duration=50)
    content = Path(f"whole.{suffix}").read_bytes()
    for end in range(len(content) // 4, len(content) - 1, len(content) // 9):
        Path(f"in.{suffix}").write_bytes(content[:end])
        code = kdsr(f"in.{suffix}", "-o", f"out.{suffix}", "--overwrite")
        said = capsys.readouterr().err
        assert code == 2, end
        assert "mistake in kdsr" not in said
        assert "missing" in said, end


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("channels", [3, 4])
def test_an_avif_keeps_its_whole_frames(kdsr, capsys, channels: int) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (24, 32, channels), np.uint8)) for _ in range(8)]
    images[0].save("whole.avif", save_all=True, append_images=images[1:], duration=50)
    content = Path("whole.avif").read_bytes()
    assert kdsr("whole.avif", "-o", "whole.png") == 0
    assert not capsys.readouterr().err
    index = content.index(b"mdat") + 4
    for part in (0.7, 0.8, 0.99):  # opacity lies in the first half, colours in the second
        end = int(index + (len(content) - index) * part)
        Path("in.avif").write_bytes(content[:end])
        assert kdsr("in.avif", "-o", "out.png", "--overwrite") == 2
        with Image.open("out.png") as made, Image.open("whole.png") as all_:
            assert f"{8 - made.n_frames} of its frames are missing" in capsys.readouterr().err
            assert 1 <= made.n_frames < 8
            for frame in range(made.n_frames):
                made.seek(frame)
                all_.seek(frame)
                assert made.convert("RGBA") == all_.convert("RGBA")
    end = (index + len(content)) // 2 if channels == 3 else len(content) * 3 // 4
    Path("in.avif").write_bytes(content[:end] + b"\xff" * (len(content) - end))
    assert kdsr("in.avif", "-o", "ruined.png") == 2
    assert "of its frames are missing" in capsys.readouterr().err
    Path("in.avif").write_bytes(content[: index - 40])  # within the index: nothing can be found
    assert kdsr("in.avif", "-o", "none.png") == 2
    assert "damaged or truncated" in capsys.readouterr().err
    assert not Path("none.png").exists()


def test_a_damaged_packet_of_sound_is_left_out_with_a_line(kdsr, capsys) -> None:
    content = bytearray(transport("in.ts", 1.4, 4).read_bytes())
    packets = [at for at in range(0, len(content), 188)
               if content[at + 1] & 0x5F == 0x41 and content[at + 2] == 1]  # fmt: skip
    start = packets[len(packets) // 2]
    at = content.index(b"\xff\xf1", start)
    content[at : at + 7] = bytes(7)
    Path("in.ts").write_bytes(content)
    assert kdsr("in.ts", "-o", "out.mp4") == 0
    assert len(times_of(Path("out.mp4"))) == 100
    assert "damaged, left out: 1 packet of sound (aac)" in capsys.readouterr().err
    assert len(packets_of(Path("out.mp4"), "audio")) > 150


def test_what_was_killed_before_it_cleaned_up_is_cleaned_up(kdsr, capsys, monkeypatch) -> None:
    import kdsr.video.segments as segments

    panning("in.mp4", 5)

    class Killed(BaseException):
        """An exception that no code catches on its way."""

    remove = segments.Segments.remove

    def killed(kept: segments.Segments) -> None:
        if kept.target.exists():
            raise Killed
        remove(kept)

    with monkeypatch.context() as patch:
        patch.setattr(segments.Segments, "remove", killed)
        with pytest.raises(Killed):
            kdsr("in.mp4", "-o", "out.mp4")
    assert sorted(path.name for path in Path().iterdir()) == [
        "in.mp4", "out.mp4", "out.mp4.kdsr-parts",
    ]  # fmt: skip
    before = Path("out.mp4").read_bytes()
    assert kdsr("in.mp4", "-o", "out.mp4") == 2
    assert "exists; add --overwrite" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["in.mp4", "out.mp4"]
    assert Path("out.mp4").read_bytes() == before


def test_a_format_for_pictures_leaves_films_alone(kdsr, capsys) -> None:
    Path("in").mkdir()
    panning("in/film.mp4", 2, sound="aac")
    Image.new("RGB", (9, 8)).save("in/a.png")
    assert kdsr("in", "-o", "out", "--format", "webp") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a-kdsr.webp", "film-kdsr.mp4"]
    assert "stays a film with its sound" in capsys.readouterr().err
