"""Missing frames of a cut or damaged film are counted if the file states them, else reported."""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdsr.errors import VideoError
from kdsr.files.blocks import is_video
from kdsr.formats import MP4
from kdsr.video.encoding import choose
from kdsr.video.film import Frame, Missing
from kdsr.video.reading import VideoFile
from kdsr.video.survey import remarks_on, survey

av = pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

FRAMES, TICK = 60, Fraction(1, 25)
NOISE = np.random.default_rng(0).integers(0, 256, (FRAMES, 48, 64, 3), np.uint8)


def film(
    path: Path,
    encoder: str,
    *,
    b_frames: int = 0,
    rate: Fraction = 1 / TICK,
    sound: str = "",
    every: Callable[[int], bool] = lambda _: True,
    late: int = 0,
    movflags: str = "",
) -> None:
    """Noise, with sound if its encoder is named; of the frames those that `every` wants.

    The sound begins with the frame `late`.
    """
    header = {"movflags": movflags} if movflags else {}
    with av.open(str(path), "w", options=header) as output:
        video = output.add_stream(encoder, rate=rate, options={"g": "12"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.max_b_frames = b_frames
        tone = output.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for number in filter(every, range(FRAMES)):
            frame = av.VideoFrame.from_ndarray(NOISE[number], "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            output.mux(video.encode(frame))
            for heard in waves(number, FRAMES - 1):
                output.mux(tone.encode(heard) if tone is not None and number >= late else [])
        output.mux(video.encode(None))
        if tone is not None:
            output.mux(tone.encode(None))


def waves(number: int, last: int) -> Iterator[Any]:
    """The sound of a frame; behind the last one a second more."""
    for place in range(number, number + (25 if number == last else 1)):
        wave = np.sin(np.arange(1920) ** 1.3 / 40, dtype=np.float32)[None]
        heard = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
        heard.sample_rate, heard.pts = 48_000, place * 1920
        heard.time_base = Fraction(1, 48_000)
        yield heard


def seen(path: Path) -> int:
    """Number of frames that can be decoded."""
    with VideoFile(str(path)).open() as reading:
        return sum(isinstance(item, Frame) for item in reading) + reading.damaged


def missing(path: Path) -> Missing:
    """Missing parts by packets alone, as checked before the work begins."""
    with VideoFile(str(path)).open(pictures=False) as reading:
        for _ in reading.packets({reading.video, *reading.sound}):
            pass
        return reading.missing()


FRONT = "faststart"
NTSC = Fraction(24_000, 1001)
COUNTED: dict[str, Callable[[Path], None]] = {
    "plain.mkv": lambda path: film(path, "mpeg4", sound="aac"),
    "b_frames.mkv": lambda path: film(path, "libx264", b_frames=3, sound="aac"),
    "ntsc.mkv": lambda path: film(path, "libx264", b_frames=2, rate=NTSC),
    "b_frames.mp4": lambda path: film(path, "libx264", b_frames=2, sound="aac", movflags=FRONT),
    "b_frames.mov": lambda path: film(path, "libx264", b_frames=2, movflags=FRONT),
    "b_frames.avi": lambda path: film(path, "mpeg4", b_frames=2),
    "sound.avi": lambda path: film(path, "mpeg4", sound="mp2"),
}


@pytest.mark.parametrize("name", COUNTED)
def test_frames_that_are_missing_are_counted_exactly(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    COUNTED[name](path)
    assert seen(path) == FRAMES
    assert not missing(path)
    content = path.read_bytes()
    for part in (0.35, 0.52, 0.77, 0.93):
        path.write_bytes(content[: int(len(content) * part)])
        left = FRAMES - seen(path)
        assert missing(path) == Missing(left, sound=not left)


TOLD: dict[str, Callable[[Path], None]] = {
    "parts.mp4": lambda path: film(path, "libx264", movflags="frag_keyframe+empty_moov"),
    "a.wmv": lambda path: film(path, "wmv2"),
    "a.ts": lambda path: film(path, "libx264", sound="aac"),
    "mute.ts": lambda path: film(path, "libx264"),
    "a.m2ts": lambda path: film(path, "libx264", b_frames=2, sound="aac"),
    "a.mpg": lambda path: film(path, "mpeg1video", sound="mp2"),
    "a.vob": lambda path: film(path, "mpeg2video", sound="ac3"),
}


@pytest.mark.parametrize("name", TOLD)
def test_where_the_file_does_not_say_how_many_a_missing_end_is_told(tmp_path, name: str) -> None:
    path = tmp_path / name
    TOLD[name](path)
    assert not missing(path)
    content = path.read_bytes()
    for part in (0.5, 0.7, 0.9):
        path.write_bytes(content[: int(len(content) * part) | 1])  # no packet has an odd length
        assert missing(path) == Missing(end=True)
    assert str(Missing(end=True)) == "its end is missing"


def test_a_transport_stream_that_ends_between_packets_is_cut_if_its_sound_is(tmp_path) -> None:
    path = tmp_path / "a.ts"
    film(path, "libx264", sound="aac")
    content = path.read_bytes()
    packets = [content[at : at + 188] for at in range(0, len(content), 188)]
    begins = [n for n, one in enumerate(packets) if one[1] & 0x40 and b"\0\0\1\xc0" in one]
    path.write_bytes(b"".join(packets[: begins[-4]]))  # what came before is whole
    assert not missing(path)
    path.write_bytes(b"".join(packets[: begins[-4] + 1]))
    assert missing(path) == Missing(end=True)


@pytest.mark.parametrize("name", ["a.ts", "a.vob"])
def test_zeros_behind_a_film_are_no_cut(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    TOLD[name](path)
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert not missing(path)


def test_of_a_rate_that_varies_the_number_is_near(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    film(path, "libx264", b_frames=2, every=lambda number: number % 3 == 0 or number % 7 == 0)
    count, content = seen(path), path.read_bytes()
    assert not missing(path)
    for part in (0.5, 0.8):
        path.write_bytes(content[: int(len(content) * part)])
        found = missing(path)
        assert found.about
        assert abs(found.frames - (count - seen(path))) <= 4
        assert str(found) == f"about {found.frames} of its frames are missing"


def test_where_only_sound_is_missing_no_frames_are(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    film(path, "libx264", sound="aac", movflags=FRONT)
    content = path.read_bytes()
    path.write_bytes(content[:-400])  # a second of sound ends the file
    assert seen(path) == FRAMES
    assert missing(path) == Missing(sound=True)
    assert str(missing(path)) == "some of its sound is missing"


# Packets


def test_empty_packets_show_the_frame_before_for_longer(tmp_path: Path) -> None:
    path = tmp_path / "a.nut"  # Theora does so, which this PyAV may not write
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(NOISE[number], "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = 2 * number, TICK
            for packet in video.encode(frame):
                output.mux(packet)
                empty = av.Packet(b"")
                empty.stream, empty.pts, empty.dts = video, 2 * number + 1, 2 * number + 1
                empty.time_base, empty.duration = TICK, 1
                output.mux(empty)
    with av.open(str(path)) as container:
        assert sum(not packet.size for packet in container.demux() if packet.dts is not None) == 4
    with VideoFile(str(path)).open() as reading:
        frames = [item for item in reading if isinstance(item, Frame)]
        assert not reading.damaged
    assert [frame.time for frame in frames] == [2 * number * TICK for number in range(4)]
    assert [frame.duration for frame in frames[:-1]] == [2 * TICK] * 3


def test_a_packet_that_swallows_others_counts_as_these(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    film(path, "mpeg2video", sound="aac")
    content = bytearray(path.read_bytes())
    middle = range(len(content) // 2, len(content) - 400)
    place = next(at for at in middle if _is_adts(content, at))
    length = (content[place + 3] & 3) << 11 | content[place + 4] << 3 | content[place + 5] >> 5
    longer = length + 700  # over the next three, into the fourth
    content[place + 3] = content[place + 3] & 0xFC | longer >> 11
    content[place + 4] = longer >> 3 & 255
    content[place + 5] = (longer & 7) << 5 | content[place + 5] & 31
    path.write_bytes(content)
    source = VideoFile(str(path))
    _, encoding = choose(MP4, source.facts(), (48, 64), None, None)
    assert survey(source, MP4, encoding).remarks == (
        "damaged, left out: 1 packet of sound (aac)",
        "damaged, not there: 3 packets of sound (aac)",
    )


def _is_adts(content: bytearray, at: int) -> bool:
    """Whether a packet of AAC begins, its header in one packet of the stream."""
    return content[at : at + 2] == b"\xff\xf1" and 5 < at % 188 < 180


# Headers


def test_a_cover_in_front_is_not_the_film(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        cover, video = (output.add_stream(name, rate=25) for name in ("mjpeg", "mpeg4"))
        for stream, pixels in ((cover, "yuvj420p"), (video, "yuv420p")):
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for number in range(5):
            for stream in (cover, video)[number > 0 :]:
                frame = av.VideoFrame.from_ndarray(NOISE[number], "rgb24")
                frame = frame.reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = number, TICK
                output.mux(stream.encode(frame))
        for stream in (cover, video):
            output.mux(stream.encode(None))
    assert seen(path) == 5


def still(path: Path, pixels: str, matrix: int = 1) -> VideoFile:
    """A film of one frame."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        video.codec_context.colorspace = matrix
        frame = av.VideoFrame.from_ndarray(NOISE[0], "rgb24").reformat(format=pixels)
        frame.pts, frame.colorspace = 0, matrix
        output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return VideoFile(str(path))


@pytest.mark.parametrize(("matrix", "words"), [(8, "YCgCo"), (14, "ICtCp"), (10, "constant")])
def test_colours_that_cannot_be_converted_are_refused(tmp_path: Path, matrix, words) -> None:
    with pytest.raises(VideoError, match=words):
        still(tmp_path / "a.mkv", "yuv444p", matrix).facts()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("suffix", ["png", "gif", "webp", "avif"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"a.{suffix}")
    assert not is_video(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(("pixels", "said"), [("yuv420p10le", False), ("yuv444p12le", True)])
def test_more_than_ten_bits_become_ten_with_a_line(tmp_path: Path, pixels, said: bool) -> None:
    source = still(tmp_path / "a.mkv", pixels)
    _, encoding = choose(MP4, source.facts(), (48, 64), None, None)
    lines = remarks_on(source, source.facts(), MP4, encoding, ".mp4")
    assert any("more than 10 bits a channel" in line for line in lines) == said


def test_sound_of_joined_files_stays_with_its_pictures_and_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    film(path, "mpeg2video", sound="aac", late=9)
    path.write_bytes(path.read_bytes() * 4)
    source = VideoFile(str(path))
    times: dict[bool, list[Fraction]] = {}
    for pictures in (True, False):
        with source.open(pictures=pictures) as reading:
            items = [item for item in reading if not isinstance(item, Frame)]
            times[pictures] = [Fraction(item.dts or 0) * (item.time_base or 1) for item in items]
    assert times[False] == times[True]
    _, encoding = choose(MP4, source.facts(), (48, 64), None, None)
    assert survey(source, MP4, encoding).remarks == ()
