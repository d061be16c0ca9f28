"""Video in, video out: sound, rate, pictures, sizes, and what goes wrong."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdsr import KDSR, Cancelled
from kdsr.errors import ConfigError, IDRError, VideoError
from kdsr.estimation.maps import smooth
from kdsr.options import LOCKED, PER_FRAME, SMOOTHED, Job, Tiling, VideoOptions
from kdsr.upscaling.sizes import OutputSize
from kdsr.video.film import Images, Waveform
from kdsr.video.reading import VideoFile
from kdsr.video.upscaling import upscale_video
from tests.support.clips import RATE, frames_of, write_clip
from tests.support.films import packets_of

pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


def decoded(path: Path) -> torch.Tensor:
    """Frames as the library reads them, (N, 3, H, W)."""
    from kdsr.video.film import Frame

    with VideoFile(str(path)).open() as reading:
        return torch.cat([item.lq for item in reading if isinstance(item, Frame)])


def test_sound_rate_and_number_of_frames_are_kept(tiny: KDSR, clip: Path, tmp_path: Path) -> None:
    upscale_video(tiny, VideoFile(str(clip)), tmp_path / "out.mp4")
    rate, frames = frames_of(tmp_path / "out.mp4")
    assert rate == RATE
    assert frames.shape == (FRAMES, 192, 256, 3)
    packets = packets_of(clip, "audio")
    assert len(packets) > 10
    assert packets_of(tmp_path / "out.mp4", "audio") == packets


@pytest.mark.parametrize("look", [SMOOTHED, LOCKED, PER_FRAME])
def test_pictures_are_those_of_the_batch(
    bundled: KDSR, clip: Path, tmp_path: Path, look: str
) -> None:
    lq = decoded(clip)
    own = bundled.estimate(lq, dtype="fp32")
    idr = {SMOOTHED: smooth(own, 0.8), LOCKED: own.mean(), PER_FRAME: own}[look]
    expected = bundled.upscale(lq, idr, dtype="fp32").movedim(1, -1).numpy() * 255
    shown = []
    upscale_video(
        bundled, VideoFile(str(clip)), tmp_path / "out.mp4",
        options=VideoOptions(mode=look), tiling=Tiling(dtype="fp32"),
        shown=lambda rgb: shown.append(rgb.clone()),
    )  # fmt: skip
    result = torch.stack(shown).numpy().astype(float)
    assert np.abs(result - expected).max() < 0.6  # rounded to 8 bits, once
    _, frames = frames_of(tmp_path / "out.mp4")
    assert np.abs(frames - expected).mean() < 3  # encoded


@pytest.mark.parametrize(
    ("size", "expected"),
    [(OutputSize(factor=2), (96, 128)), (OutputSize(width=101), (76, 100))],
    ids=["factor", "odd width"],
)
def test_sizes_are_the_wish_in_even_numbers(
    tiny: KDSR, clip: Path, tmp_path: Path, size: OutputSize, expected: tuple[int, int]
) -> None:
    upscale_video(tiny, VideoFile(str(clip)), tmp_path / "out.mp4", size)
    assert frames_of(tmp_path / "out.mp4")[1].shape[1:3] == expected


def test_a_part_of_a_video_keeps_its_frames_only(tiny: KDSR, clip: Path, tmp_path: Path) -> None:
    part = VideoFile(str(clip), start=2 / RATE, duration=5 / RATE)
    upscale_video(tiny, part, tmp_path / "out.mp4")
    assert len(frames_of(tmp_path / "out.mp4")[1]) == 5


def test_images_with_a_waveform_become_a_video_with_sound(tiny: KDSR, tmp_path: Path) -> None:
    frames = torch.rand(6, 3, 20, 24)
    waveform = Waveform(torch.zeros(2, 12_000), 48_000)
    upscale_video(tiny, Images(frames, Fraction(24), waveform), tmp_path / "out.mp4")
    rate, pixels = frames_of(tmp_path / "out.mp4")
    assert (rate, pixels.shape) == (24, (6, 80, 96, 3))
    assert packets_of(tmp_path / "out.mp4", "audio")


def test_progress_fills_one_bar_over_both_passes(tiny: KDSR, clip: Path, tmp_path: Path) -> None:
    told = []
    upscale_video(
        tiny, VideoFile(str(clip)), tmp_path / "out.mp4", job=Job(lambda *step: told.append(step))
    )
    done = [step for step, _ in told]
    assert done == sorted(done)
    assert len({total for _, total in told}) == 1
    assert told[-1][0] == told[-1][1]
    assert told[len(told) // 2][0] in range(told[-1][1] // 3, 2 * told[-1][1] // 3)


@pytest.mark.parametrize("frame", [0, 3])
def test_stopping_in_the_second_pass_leaves_no_file(
    tiny: KDSR, clip: Path, tmp_path: Path, frame: int
) -> None:
    shown = []
    film = VideoFile(str(clip))
    with pytest.raises(Cancelled):
        upscale_video(
            tiny, film, tmp_path / "out.mp4", options=VideoOptions(mode=PER_FRAME),
            shown=shown.append, job=Job(cancelled=lambda: len(shown) >= frame),
        )  # fmt: skip
    assert len(shown) == frame
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_refused_in_a_sentence(tiny: KDSR, tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(VideoError, match="the video cannot be read"):
        upscale_video(tiny, VideoFile(str(path)), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [path]


def test_several_idrs_are_refused(tiny: KDSR, clip: Path, tmp_path: Path) -> None:
    idr = tiny.estimate(torch.rand(2, 3, 24, 24))
    with pytest.raises(IDRError, match="got 2 IDRs"):
        upscale_video(tiny, VideoFile(str(clip)), tmp_path / "out.mp4", idr=idr)


def test_all_options_out_of_range_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        VideoOptions(mode="calm", smoothing=1.0, scene_cut=-1, codec="x", crf=64, quality=0)
    for word in ("mode", "smoothing", "scene cut", "codec", "crf", "quality"):
        assert f"the {word} must be" in str(caught.value)


@pytest.mark.parametrize("ends", [(0, 0, 0, 1), (0.99, 180, 63, 100)])
def test_the_ends_of_all_ranges_are_in_range(ends: tuple[float, float, int, int]) -> None:
    smoothing, scene_cut, crf, quality = ends
    VideoOptions(smoothing=smoothing, scene_cut=scene_cut, crf=crf, quality=quality)


@pytest.mark.parametrize("beyond", [{"scene_cut": 180.1}, {"crf": -1}, {"quality": 101}])
def test_what_lies_beyond_an_end_is_refused(beyond: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(beyond)).replace("_", " ")):
        VideoOptions(**beyond)


def test_without_pyav_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match="python -m pip install av"):
        VideoFile("any.mp4").facts()
