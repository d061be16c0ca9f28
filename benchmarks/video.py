"""A clip with sound through the code of Upscale Video: memory, sound, and how calm the result is.

    python -m benchmarks.video IMAGE [--model kdsr-s-x4] [--frames 60 300]

IMAGE is ground truth. The clip is the still scene of `benchmarks.flicker`, whose frames have the
same blur and noise of their own, in lossless H.264 with a tone in AAC. What is judged is the file
that comes out: flicker after encoding and decoding, the sound packet by packet. Memory is what a
process of its own takes beyond the loaded model, at its peak.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import torch

import kdsr
from benchmarks.flicker import SIDE, noisy_film, pulsing
from benchmarks.timing import resident_peak
from kdsr.options import DEFAULT_MODEL
from kdsr.video.options import LOOKS, VideoOptions
from kdsr.video.reading import VideoFile
from kdsr.video.upscaling import upscale_video
from tests.support.clips import frames_of, sound_packets, write_frames
from train.data.images import load_image
from train.measuring.metrics import luma


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--frames", type=int, nargs="+", default=[60, 300])
    parser.add_argument("--blur", type=float, default=1.5)
    parser.add_argument("--noise", type=float, default=10.0)
    arguments = parser.parse_args()
    scale = kdsr.load(arguments.model).config.scale
    gt = load_image(arguments.image)[:, :, :SIDE, :SIDE]
    film = noisy_film(
        gt, max(arguments.frames), scale, {"blur": arguments.blur, "noise": arguments.noise}
    )
    pictures = film.movedim(1, -1).mul(255).round().to(torch.uint8).numpy()
    print("| IDR | frames | s / frame | peak, MiB | frame to frame, 1/255 | pulsing | sound |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.frames:
            clip = write_frames(Path(folder, f"{count}.mp4"), pictures[:count], crf=0)
            for look in LOOKS:
                out = Path(folder, f"{count} {look}.mp4")
                peak, seconds = upscaled_apart(arguments.model, clip, out, look)
                frames = decoded_luma(out)
                step = (frames[1:] - frames[:-1]).abs().mean()
                sound = "same" if sound_packets(out) == sound_packets(clip) else "differs"
                print(
                    f"| {look} | {count} | {seconds / count:.3f} | {peak:.0f} | {step:.3f} "
                    f"| {pulsing(frames):.3%} | {sound} |",
                    flush=True,
                )


def upscaled_apart(model: str, clip: Path, out: Path, look: str) -> tuple[float, float]:
    """Upscales a clip in a new process; returns its peak in MiB and the seconds."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_upscaled, (model, clip, out, look))


def _upscaled(model: str, clip: Path, out: Path, look: str) -> tuple[float, float]:
    network, options = kdsr.load(model), VideoOptions(look=look)
    began = time.perf_counter()
    peak = resident_peak(lambda: upscale_video(network, VideoFile(str(clip)), out, options=options))
    return peak, time.perf_counter() - began


def decoded_luma(path: Path) -> torch.Tensor:
    """The luma of every frame of a file, (N, 1, H, W), 0-255 as the metrics take it."""
    pixels = torch.from_numpy(frames_of(path)[1]).movedim(-1, 1)
    return torch.cat([luma(frame[None].float() / 255) for frame in pixels])


if __name__ == "__main__":
    main()
