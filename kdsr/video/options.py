"""What can be chosen for a video, in values that need neither PyTorch nor PyAV."""

from dataclasses import dataclass

from ..errors import ConfigError
from ..options import CUT_ANGLE
from .containers import CODECS

SMOOTHED, LOCKED, PER_FRAME = "smoothed", "locked", "per frame"
MODES = (SMOOTHED, LOCKED, PER_FRAME)
"""Which IDR a frame gets: its own averaged with its neighbours', the film's average, its own."""
_LARGEST_CRF = max(codec.largest_crf for codec in CODECS.values())


@dataclass(frozen=True)
class VideoOptions:
    """How the frames of a video are estimated and encoded.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    mode: str = SMOOTHED
    """One of `MODES`."""
    smoothing: float = 0.8
    """0 to less than 1; see `kdsr.estimation.frames.smooth`."""
    scene_cut: float = CUT_ANGLE
    """Degrees between frames that begin a new scene; see `kdsr.estimation.frames.smooth`."""
    codec: str | None = None
    """A name in `CODECS`; None for the container's default."""
    crf: int | None = None
    """Constant rate factor: 0 is the best, 18 of H.264 hard to tell from it, 51 (VP9 and AV1: 63)
    the smallest; None for the codec's default."""
    quality: int = 95
    """Of animated WebP and AVIF, 1 to 100."""

    def __post_init__(self) -> None:
        problems = []
        if self.mode not in MODES:
            problems.append(f"the mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if not 0 <= self.smoothing < 1:
            problems.append(f"the smoothing must be 0 to less than 1, got {self.smoothing}")
        if not 0 <= self.scene_cut <= 180:
            problems.append(f"the scene cut must be 0 to 180 degrees, got {self.scene_cut}")
        if self.codec is not None and self.codec not in CODECS:
            problems.append(f"the codec must be one of {', '.join(CODECS)}, got {self.codec!r}")
        if self.crf is not None and not 0 <= self.crf <= _LARGEST_CRF:
            problems.append(f"the crf must be 0 to {_LARGEST_CRF}, got {self.crf}")
        if not 1 <= self.quality <= 100:
            problems.append(f"the quality must be 1 to 100, got {self.quality}")
        if problems:
            raise ConfigError("; ".join(problems))
