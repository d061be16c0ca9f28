"""Upscale Video in a V3 host, whose VIDEO is a stub: stand-ins here, real ones in tests/pack."""

import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.clips import RATE, frames_of, write_clip
from tests.support.comfy_host import Host
from tests.support.films import packets_of

pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

FRAMES = 8


class FileVideo:
    """VideoFromFile, as far as the node uses it."""

    def __init__(self, file: str, start: float = 0, duration: float = 0) -> None:
        self.file, self.window = file, (start, duration)

    def get_stream_source(self) -> str:
        return self.file

    def get_active_trim_window(self) -> tuple[float, float]:
        return self.window


class VideoFromFile:
    """ComfyUI's class in versions that trim without saying so."""

    def __init__(self, file: str, start_time: float, duration: float) -> None:
        self.__file = file
        self.__start_time = start_time
        self.__duration = duration

    def get_stream_source(self) -> str:
        return self.__file


class TensorVideo:
    """VideoFromComponents likewise."""

    def __init__(self, **parts) -> None:
        self.parts = SimpleNamespace(audio=None, **parts)

    def get_components(self) -> SimpleNamespace:
        return self.parts


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", FRAMES, 32, 24)


@pytest.fixture
def upscaled(host: Host, monkeypatch, model):
    """Runs the node; returns the file that the result is."""
    impl = SimpleNamespace(VideoFromFile=FileVideo, VideoFromComponents=TensorVideo)
    monkeypatch.setattr(host.module("nodes.video"), "InputImpl", impl)

    def run(video, **inputs) -> Path:
        result = host.run("KDSR_UpscaleVideo", model=model, video=video, **inputs)
        return Path(result.get_stream_source())

    return run


@pytest.fixture(scope="module")
def model(host: Host):
    save_checkpoint(make_tiny(), host.models / "tiny.safetensors")
    return host.run("KDSR_Load", model="tiny.safetensors", precision="fp32")


def temp_files(host: Host) -> list[Path]:
    return sorted((host.base / "temp").rglob("*"))


def test_the_result_is_a_file_in_the_temp_folder_with_the_sound(
    host: Host, upscaled, clip: Path
) -> None:
    file = upscaled(FileVideo(str(clip)))
    assert file.parent == host.base / "temp"
    rate, frames = frames_of(file)
    assert (rate, frames.shape) == (RATE, (FRAMES, 96, 128, 3))
    assert packets_of(file, "audio") == packets_of(clip, "audio") != []


def test_each_mode_makes_a_video_of_its_own(upscaled, clip: Path) -> None:
    made = [frames_of(upscaled(FileVideo(str(clip)), mode=mode, crf=0))[1]
            for mode in ("smoothed", "locked", "per frame")]  # fmt: skip
    assert not (made[0] == made[1]).all()
    assert not (made[0] == made[2]).all()
    assert not (made[1] == made[2]).all()


def test_a_given_idr_is_used_for_every_frame(host: Host, upscaled, clip: Path) -> None:
    video = FileVideo(str(clip))
    own = upscaled(video, mode="locked", crf=0)
    idr = host.idr(make_tiny().estimate(torch.rand(1, 3, 24, 24)))
    given = [upscaled(video, mode=mode, crf=0, idr=idr) for mode in ("locked", "per frame")]
    assert (frames_of(given[0])[1] == frames_of(given[1])[1]).all()
    assert not (frames_of(given[0])[1] == frames_of(own)[1]).all()


@pytest.mark.parametrize("made", [FileVideo, VideoFromFile], ids=["says so", "does not"])
def test_a_trimmed_video_stays_trimmed(upscaled, clip: Path, made: type) -> None:
    # The beginning of the third frame, as ComfyUI's floats say it.
    file = upscaled(made(str(clip), float(2 / RATE), float(3 / RATE)))
    assert len(frames_of(file)[1]) == 3
    sound = packets_of(file, "audio")
    assert 0 < len(sound) < len(packets_of(clip, "audio"))


def test_a_video_of_tensors_keeps_its_rate_and_gets_its_sound(upscaled) -> None:
    audio = {"waveform": torch.zeros(1, 1, 16_000), "sample_rate": 16_000}
    video = TensorVideo(images=torch.rand(3, 20, 24, 4), frame_rate=Fraction(29.97))
    video.parts.audio = audio
    file = upscaled(video, size_by="factor", size=2.0)
    rate, frames = frames_of(file)
    assert (rate, frames.shape) == (Fraction(2997, 100), (3, 40, 48, 3))
    assert packets_of(file, "audio")


def test_a_video_of_ten_bits_stays_one(upscaled) -> None:
    import av

    video = TensorVideo(images=torch.rand(2, 20, 24, 3), frame_rate=Fraction(24))
    video.get_bit_depth = lambda: 10  # pyright: ignore[reportAttributeAccessIssue]
    with av.open(str(upscaled(video))) as result:
        assert result.streams.video[0].pix_fmt == "yuv420p10le"


def test_one_bar_fills_once_and_shows_the_finished_frames(
    host: Host, upscaled, clip: Path, monkeypatch
) -> None:
    told = []
    bar = host.comfy("comfy.utils").ProgressBar
    monkeypatch.setattr(
        bar,
        "update_absolute",
        lambda _, value, total=None, preview=None: told.append((value, preview)),
    )
    monkeypatch.setattr(host.module("nodes.runtime.progress"), "_PREVIEW_SECONDS", 0)
    upscaled(FileVideo(str(clip)))
    values = [value for value, _ in told]
    assert values == sorted(values)
    assert values[-1] == 1000
    pictures = [preview[1] for _, preview in told if preview]
    assert pictures
    assert {picture.size for picture in pictures} == {(128, 96)}
    assert len({picture.tobytes() for picture in pictures}) > 2


@pytest.mark.parametrize("checks", [0, 3, 11])
def test_stopping_leaves_nothing_in_the_temp_folder(
    host: Host, upscaled, clip: Path, monkeypatch, checks: int
) -> None:
    left = [checks]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("stopped here")

    before = temp_files(host)
    mm = host.comfy("comfy.model_management")
    monkeypatch.setattr(mm, "throw_exception_if_processing_interrupted", check)
    with pytest.raises(Exception, match="stopped here"):
        upscaled(FileVideo(str(clip)))
    assert temp_files(host) == before


def test_the_note_says_what_was_done_and_when_more_was_asked_for(
    host: Host, upscaled, clip: Path, monkeypatch
) -> None:
    notes: list[str] = []
    note = host.module("nodes.runtime").note
    monkeypatch.setattr(
        host.module("nodes.runtime"), "note", lambda text: notes.append(text) or note(text)
    )
    for size in (2.0, 6.0):
        upscaled(FileVideo(str(clip)), size_by="factor", size=size)
    cut = write_clip(clip.with_name("cut.mkv"), FRAMES, 32, 24)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    upscaled(FileVideo(str(cut)))
    clear = torch.rand(2, 24, 32, 4)
    upscaled(TensorVideo(images=clear, frame_rate=RATE))
    clear[..., 3] = 1  # opaque everywhere
    upscaled(TensorVideo(images=clear, frame_rate=RATE))
    of_cut = notes.pop(2)
    assert re.match(
        r"[1-7] frames of 128 x 96 px by tiny; the file is cut or damaged: [1-7] ", of_cut
    )
    assert notes == [
        "8 frames of 64 x 48 px by tiny",
        "8 frames of 192 x 144 px by tiny, then resized: it enlarges 4 times, the rest is bicubic",
        "2 frames of 128 x 96 px by tiny; what is transparent became white",
        "2 frames of 128 x 96 px by tiny",
    ]


def test_a_size_that_makes_no_sense_is_refused(upscaled, clip: Path) -> None:
    with pytest.raises(Exception, match="size is in pixels"):
        upscaled(FileVideo(str(clip)), size_by="width", size=2.0)


def test_hidden_colours_of_frames_steer_nothing_and_become_white(host: Host, upscaled) -> None:
    frames = torch.rand(2, 24, 32, 4)
    frames[..., 3] = 1
    frames[:, :, 16:, 3] = 0
    made = []
    for hidden in (torch.zeros(3), torch.rand(2, 24, 16, 3)):
        frames[:, :, 16:, :3] = hidden
        made.append(upscaled(TensorVideo(images=frames.clone(), frame_rate=RATE), crf=0))
    assert (frames_of(made[0])[1] == frames_of(made[1])[1]).all()
    idr = host.idr(make_tiny().estimate(torch.rand(1, 3, 24, 24)))
    clear = upscaled(TensorVideo(images=frames, frame_rate=RATE), crf=0, idr=idr)
    frames[:, :, 16:, :3] = 1
    white = upscaled(TensorVideo(images=frames[..., :3], frame_rate=RATE), crf=0, idr=idr)
    assert (frames_of(clear)[1] == frames_of(white)[1]).all()
