"""Video compression of images by the H.264 and HEVC encoders of PyAV."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kdsr.errors import ConfigError, VideoError
from kdsr.pixels import to_bytes
from kdsr.video.colour import Colour
from kdsr.video.pyav import load_av
from train.degradation.checks import no_range, outside, refuse

if TYPE_CHECKING:
    import av

Codec = Literal["h264", "hevc"]
_CODED: dict[Codec, tuple[str, dict[str, str]]] = {
    "h264": (
        "libx264",
        {"preset": "veryfast", "tune": "zerolatency", "x264-params": "scenecut=0:log-level=none"},
    ),
    "hevc": (
        "libx265",
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x265-params": "ctu=16:scenecut=0:pools=none:frame-threads=1:log-level=none",
        },
    ),
}
_SPOKEN = {"h264": "H.264", "hevc": "HEVC"}
# Sides are padded to at least two whole blocks. With a single block, x265's motion search reads
# uninitialised memory, and results vary from run to run.
_BLOCK, _SMALLEST = 16, 32
_WORST = 51  # crf


@dataclass(frozen=True)
class Video:
    """Frames of 4:2:0 video: key frames, and frames predicted from others.

    A patch of 32 px takes 4 ms (H.264) to 9 ms (HEVC, predicted, a clip of three frames) on a busy
    CPU core; AVIF takes 3 ms and WebP 1 ms. At a share of a fifth this is about 2% of a training
    step of size s with a batch of 16, so worker processes would gain little. Needs PyAV (the extra
    `video`).
    """

    share: float = 0.0
    """Share of samples."""
    codecs: tuple[Codec, ...] = ("h264", "hevc")
    """Codecs to draw from."""
    min_crf: int = 18
    """Best quality, as the encoders' constant rate factor (CRF), 0 to 51."""
    max_crf: int = 36
    """Worst quality, as CRF."""
    predicted: float = 0.7
    """Share of predicted frames among these samples."""
    max_motion: float = 3.0
    """Largest motion from frame to frame in the clip of a predicted frame, pixels."""

    def __post_init__(self) -> None:
        shares = outside(self, ["share", "predicted"], 0, 1)
        none = [] if self.codecs else [f"codecs names none; choose from {', '.join(_CODED)}"]
        refuse(
            self, shares, no_range(self, "crf", 0, _WORST), outside(self, ["max_motion"], 0), none
        )
        if self.share > 0:
            self._require_encoders()

    def _require_encoders(self) -> None:
        try:
            available = load_av().codecs_available
        except VideoError as error:
            raise ConfigError(f"frames of video (video.share): {error}") from None
        absent: list[Codec] = [name for name in self.codecs if _CODED[name][0] not in available]
        if absent:
            encoders = " and no ".join(_CODED[name][0] for name in absent)
            raise ConfigError(
                f"this PyAV has no {encoders}: install another build of it, or leave "
                f"{' and '.join(absent)} out of video.codecs"
            )

    def sample(self, rng: np.random.Generator) -> "Filmed":
        """Draws codec, quality and motion of a sample."""
        codec = self.codecs[int(rng.integers(len(self.codecs)))]
        crf = int(rng.integers(self.min_crf, self.max_crf + 1))
        if rng.random() >= self.predicted:
            return Filmed(codec, crf, None)
        length, angle = self.max_motion * rng.random(), 2 * math.pi * rng.random()
        return Filmed(codec, crf, (length * math.sin(angle), length * math.cos(angle)))


@dataclass(frozen=True)
class Filmed:
    """One video compression.

    A predicted frame is the third of a clip in which the picture moves. It combines the moved
    content of the two coarser frames before it with an encoded difference.

    Attributes:
        codec: Video codec.
        crf: Constant rate factor, 0 (best) to 51.
        motion: Motion (down, right) from frame to frame, pixels; None for a key frame.
    """

    codec: Codec
    crf: int
    motion: tuple[float, float] | None

    def apply(self, images: Tensor) -> Tensor:
        """Encodes and decodes images (B, 3, H, W) in [0, 1]; the result is on the 8-bit grid."""
        height, width = images.shape[2:]
        right, below = (max(_SMALLEST, n + -n % _BLOCK) - n for n in (width, height))
        filled = F.pad(images.detach().float().cpu(), (0, right, 0, below), "replicate")
        made = torch.cat([self._last(self._clip(image)) for image in filled[:, None]])
        return made[:, :, :height, :width].to(images)

    def _clip(self, image: Tensor) -> list[Tensor]:
        """The frames of a clip, (1, 3, H, W) each, which ends with the picture itself."""
        if self.motion is None:
            return [image]
        return [_moved(image, -2, self.motion), _moved(image, -1, self.motion), image]

    def _last(self, clip: list[Tensor]) -> Tensor:
        """Encodes and decodes a clip; returns its last frame, (1, 3, H, W) in [0, 1]."""
        colour, encoder = Colour.of_images(), self._encoder(clip[0].shape[2], clip[0].shape[3])
        packets = []
        for number, image in enumerate(clip):
            frame = colour.to_frame(to_bytes(image[0]).permute(1, 2, 0).contiguous())
            frame.pts = number
            packets += encoder.encode(frame)
        packets += encoder.encode(None)
        decoder = load_av().CodecContext.create(self.codec, "r")
        decoder.thread_count = 1
        shown = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
        return colour.to_rgb(shown[-1])

    def _encoder(self, height: int, width: int) -> "av.VideoCodecContext":
        """An encoder with reproducible results: a single thread, and no delayed frames."""
        name, options = _CODED[self.codec]
        encoder = load_av().CodecContext.create(name, "w")
        encoder.height, encoder.width, encoder.pix_fmt = height, width, "yuv420p"
        encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
        encoder.options = {**options, "crf": str(self.crf)}
        Colour.of_images().tag(encoder)
        return encoder

    def describe(self) -> str:
        """Describes the draw in words."""
        if self.motion is None:
            return f"{_SPOKEN[self.codec]} crf {self.crf}"
        moved = math.hypot(*self.motion)
        return f"{_SPOKEN[self.codec]} crf {self.crf}, predicted over {moved:.1f} px"


def _moved(image: Tensor, frames: int, motion: tuple[float, float]) -> Tensor:
    """Moves an image (1, 3, H, W) by the motion of some frames; borders are mirrored."""
    height, width = image.shape[2:]
    down, right = (frames * distance for distance in motion)
    theta = torch.tensor([[[1.0, 0.0, -2 * right / width], [0.0, 1.0, -2 * down / height]]])
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    moved = F.grid_sample(image, grid, "bicubic", "reflection", align_corners=False)
    return moved.clamp(0, 1)
