"""A still scene whose noise changes, upscaled as a film: memory, and how calm the result is."""

import multiprocessing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import kdsr
from benchmarks.timing import resident_peak
from kdsr.options import VideoOptions
from kdsr.video.reading import VideoFile
from kdsr.video.upscaling import upscale_video
from tests.support.clips import frames_of
from train.colour import luma_16_235
from train.measuring.protocols import fixed


def noisy_film(gt: Tensor, frames: int, scale: int, numbers: dict[str, Any]) -> Tensor:
    """A still scene, (1, 3, sH, sW), whose noise changes: (frames, 3, H, W)."""
    return torch.cat([fixed(scale, seed=i, **numbers)(gt) for i in range(frames)])


def upscaled_apart(model: str, clip: Path, out: Path, look: str) -> float:
    """Upscales a clip in a new process; returns the MiB that it adds to the loaded model."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_upscaled, (model, clip, out, look))


def _upscaled(model: str, clip: Path, out: Path, look: str) -> float:
    network, options = kdsr.load(model), VideoOptions(mode=look)
    return resident_peak(lambda: upscale_video(network, VideoFile(str(clip)), out, options=options))


def pulsing(path: Path) -> float:
    """Standard deviation of the mean gradients of a file's frames, as a share of their mean."""
    pixels = torch.from_numpy(frames_of(path)[1]).movedim(-1, 1)
    frames = torch.cat([luma_16_235(frame[None].float() / 255) for frame in pixels])
    gradients = [frames.diff(dim=axis).abs().mean((1, 2, 3)) for axis in (-1, -2)]
    sharpness = gradients[0] + gradients[1]
    return (sharpness.std() / sharpness.mean()).item()
