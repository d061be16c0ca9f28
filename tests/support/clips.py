"""A small film with sound, cut from a photograph of the pack: a slow pan under changing noise."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.places import ROOT

RATE = Fraction(30000, 1001)
SAMPLES = 48_000  # a second
NOISE = 6  # of 255


def write_clip(path: Path, frames: int, width: int = 64, height: int = 48) -> Path:
    """Writes `frames` frames of H.264 and a tone of AAC as long as they are."""
    return write_frames(path, _pan(frames, width, height))


def _pan(frames: int, width: int, height: int) -> Iterator[np.ndarray]:
    with Image.open(ROOT / "samples/photos/cityscape.jpg") as photo:
        pixels = np.asarray(photo.convert("RGB"), dtype=np.float32)
    rng = np.random.default_rng(0)
    for index in range(frames):
        left = 100 + index % 100
        crop = pixels[100 : 100 + height, left : left + width]
        yield (crop + rng.normal(0, NOISE, crop.shape)).clip(0, 255).astype(np.uint8)


def write_frames(path: Path, frames: Iterable[np.ndarray], crf: int = 12) -> Path:
    """Writes (H, W, 3) uint8 pictures as H.264, and a tone of AAC as long as they are."""
    import av

    with av.open(str(path), "w") as output:
        video = output.add_stream("h264", rate=RATE, options={"crf": f"{crf}"})
        audio = output.add_stream("aac", rate=SAMPLES, layout="stereo")
        count = 0
        for pixels in frames:
            if not count:
                video.height, video.width, video.pix_fmt = *pixels.shape[:2], "yuv420p"
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = count, 1 / RATE
            output.mux(video.encode(frame))
            count += 1
        output.mux(video.encode(None))
        seconds = np.arange(round(count / RATE * SAMPLES)) / SAMPLES
        tone = np.stack([np.sin(2764 * seconds), np.sin(1382 * seconds)]).astype(np.float32) / 2
        for first in range(0, tone.shape[1], SAMPLES):
            part = np.ascontiguousarray(tone[:, first : first + SAMPLES])
            sound = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
            sound.sample_rate, sound.pts = SAMPLES, first
            output.mux(audio.encode(sound))
        output.mux(audio.encode(None))
    return path


def frames_of(path: Path) -> tuple[Fraction, np.ndarray]:
    """The average rate, and all frames, (N, H, W, 3)."""
    import av

    with av.open(str(path)) as container:
        rate = Fraction(container.streams.video[0].average_rate)
        return rate, np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
