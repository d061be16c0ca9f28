"""Long films with sound: memory, sound and calm are what docs/idr.md and docs/video.md say."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kdsr.files.weights import save_checkpoint
from kdsr.options import DEFAULT_MODEL, LOCKED, PER_FRAME, SMOOTHED
from tests.conftest import make_tiny
from tests.support.clips import RATE, frames_of, write_clip, write_frames
from tests.support.films import packets_of
from tests.support.places import PHOTOS, ROOT
from tests.support.still_scenes import noisy_film, pulsing, upscaled_apart
from train.data.image_files import load_image

pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

SHORT, LONG = 60, 300
SIDE = 128  # of the ground truth
# The kernel's mark of this process alone: `ru_maxrss` begins with that of the one that started it.
PEAK = """
import sys
from kdsr.cli import main
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
raise SystemExit(code)
"""

Upscaled = Callable[[int, str], tuple[Path, Path, float]]


@pytest.fixture(scope="module")
def upscaled(tmp_path_factory: pytest.TempPathFactory) -> Upscaled:
    """Upscales so many frames of a still scene once; gives both files, and the peak in MiB."""
    folder = tmp_path_factory.mktemp("long")
    gt = load_image(PHOTOS / "cityscape.jpg")[..., :SIDE, :SIDE]
    film = noisy_film(gt, LONG, 4, {"blur": 1.5, "noise": 10})
    pictures = film.movedim(1, -1).mul(255).round().to(torch.uint8).numpy()
    peaks: dict[Path, float] = {}

    def run(frames: int, look: str) -> tuple[Path, Path, float]:
        clip, out = folder / f"{frames}.mp4", folder / f"{frames} {look}.mp4"
        if not clip.exists():
            write_frames(clip, pictures[:frames], crf=0)
        if out not in peaks:
            peaks[out] = upscaled_apart(DEFAULT_MODEL, clip, out, look)
        return clip, out, peaks[out]

    return run


def test_five_times_the_frames_take_no_more_memory(upscaled: Upscaled) -> None:
    more = upscaled(LONG, SMOOTHED)[2] - upscaled(SHORT, SMOOTHED)[2]
    frame = SIDE * SIDE * 3 / 2**20  # MiB of one of the 240 more, in 8 bits
    assert more < 60 * frame, f"{more:.1f} MiB more, {more / frame:.0f} frames"


def test_the_sound_comes_out_bit_by_bit_and_every_frame_at_its_rate(upscaled: Upscaled) -> None:
    clip, out, _ = upscaled(LONG, SMOOTHED)
    packets = packets_of(clip, "audio")
    assert len(packets) > 400
    assert packets_of(out, "audio") == packets
    rate, frames = frames_of(out)
    assert (rate, frames.shape) == (RATE, (LONG, SIDE, SIDE, 3))


def test_smoothed_is_nearly_as_calm_as_locked_and_calmer_than_per_frame(upscaled: Upscaled) -> None:
    calm = {look: pulsing(upscaled(LONG, look)[1]) for look in (SMOOTHED, LOCKED, PER_FRAME)}
    assert calm[SMOOTHED] < 1.25 * calm[LOCKED], calm
    assert calm[SMOOTHED] < 0.9 * calm[PER_FRAME], calm


def test_ten_times_the_frames_on_the_command_line_take_no_more_memory(tmp_path: Path) -> None:
    save_checkpoint(make_tiny(), tmp_path / "tiny.safetensors")
    peaks = {}
    for frames in (300, 3000):
        write_clip(tmp_path / f"{frames}.mp4", frames, 32, 24)
        names = [f"{frames}.mp4", "-o", f"{frames}-out.mp4", "--model", "tiny.safetensors"]
        result = subprocess.run(
            [sys.executable, "-c", PEAK, "upscale", *names],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks[frames] = int(result.stdout.split()[-2]) / 1024  # MiB
        assert len(packets_of(tmp_path / f"{frames}-out.mp4", "video")) == frames
    assert peaks[3000] < peaks[300] + 12, peaks  # MiB; the frames alone would be 95 MiB more
