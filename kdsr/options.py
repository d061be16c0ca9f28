"""Options as frozen values, without PyTorch: made once and passed on unchanged."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .errors import Cancelled, ConfigError
from .formats import CODECS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DEFAULT_MODEL = "kdsr-s-x4"
"""Name of the default model."""
PURPOSES = {
    "photo": "photographs whose past is unknown: crisp, at home with noise and JPEG",
    "faithful": "restores without invention, closest to the original",
}
"""Purposes of the models, with descriptions; the upscaling factor then selects the file
(`kdsr.files.catalog`)."""
RETIRED_PURPOSES = {"old": "photo", "old or recompressed": "photo"}
"""Former purposes, by the names of the command and of saved workflows, with the purposes that
replaced them. They are not listed, and keep working."""
DTYPE_NAMES = ("auto", "fp32", "fp16", "bf16")
"""Number formats by name; see `kdsr.tiles.work`."""
EXPORT_DTYPE_NAMES = ("fp32", "fp16")
"""Names of the dtypes of exported files."""
WRAPS = {"none": (False, False), "x": (True, False), "y": (False, True), "both": (True, True)}
"""Names of the pairs (along the width, along the height) that `wrap` takes."""
OVERLAP_NAMES = ("exact", "fast")
"""exact: as far as the network sees. fast: `FAST_OVERLAP`."""
FAST_OVERLAP = 32
"""Overlap of `overlap="fast"` in LQ pixels."""
ESTIMATE_TILE = 512
"""Tile size of estimates in LQ pixels; results do not depend on it, and any device has room."""
SAMPLED, WHOLE = "sampled", "whole"
ESTIMATES = (SAMPLED, WHOLE)
"""How an IDR is estimated. sampled: windows of a large image, and cells that the model knows
nothing like (dither, hatching) left out. whole: the mean over every pixel."""
MAP_CELLS = 6
"""Default number of IDR map cells along the longer side."""
LARGEST_MAP = 100
"""Largest number of IDR map cells along the longer side."""
STRENGTHS = (0.0, 1.25)
"""Least and most: 0 takes an image for clean, 1 is as estimated. Sharpness and noise follow it in
one direction (docs/idr.md)."""
CRISPNESSES = (0.0, 1.25)
"""Smallest and largest crispness: 0 is the faithful model, 1 the crisp one, above 1 crisper."""
CUT_ANGLE = 5.0
"""Degrees that begin a new scene. Frames of one scene that differ by noise and a pan stay below 4
(with JPEG too, 5.3); 90 to 98% of pairs of scenes lie above it (measured on the bundled model,
80 x 80 px)."""

ProgressFn = Callable[[int, int], None]
"""Called with (steps done, steps in all) after each step."""
CancelledFn = Callable[[], bool]
"""Called before each step; True raises `kdsr.Cancelled`."""


@dataclass(frozen=True)
class Size:
    """Width and height of an image in pixels; users of the value check its range."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px"

    @classmethod
    def of(cls, images: "Tensor") -> "Size":
        """The size of images, (..., H, W)."""
        return cls(images.shape[-1], images.shape[-2])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, in the order of tensors."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def longest(self) -> int:
        """Length of the longer side in pixels."""
        return max(self.width, self.height)

    def scaled(self, factor: int) -> "Size":
        """The size multiplied by a factor."""
        return Size(self.width * factor, self.height * factor)

    def covers(self, other: "Size") -> bool:
        """Whether no side of the other size is longer."""
        return self.width >= other.width and self.height >= other.height


@dataclass(frozen=True)
class Tiling:
    """Options for running a network over an image: tiles, overlap, wrapping and dtype.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    tile: int | str | None = "auto"
    """Largest number of LQ pixels between two halos; "auto" for as many as fit into free memory
    (512 to estimate); None for one pass."""
    overlap: int | str = "exact"
    """Context around each tile when upscaling: "exact" is all that the network sees, so that tiles
    leave no trace; "fast" is 32 LQ pixels (differences of about 1e-3); or LQ pixels."""
    wrap: tuple[bool, bool] = (False, False)
    """Continue the image circularly along (width, height), so that a seamless texture stays so."""
    dtype: "str | torch.dtype" = "auto"
    """"auto", "fp32", "fp16" (CUDA), "bf16" or a torch dtype; see `kdsr.tiles.work`."""
    batch: int | str = "auto"
    """Number of tiles per step when upscaling, or "auto"."""
    estimate: str = SAMPLED
    """Way of estimating the IDR of a whole image, one of `ESTIMATES`."""

    def __post_init__(self) -> None:
        problems = []
        if self.tile not in ("auto", None) and not _is_int(self.tile, 1):
            problems.append(
                f'tile must be at least 1 LQ pixel, "auto" or None for one pass, got {self.tile!r}'
            )
        if self.overlap not in OVERLAP_NAMES and not _is_int(self.overlap, 0):
            problems.append(
                f'overlap must be "exact", "fast" or at least 0 LQ pixels, got {self.overlap!r}'
            )
        if self.batch != "auto" and not _is_int(self.batch, 1):
            problems.append(f'batch must be at least 1 tile or "auto", got {self.batch!r}')
        if not isinstance(self.wrap, tuple) or len(self.wrap) != 2:
            problems.append(f"wrap must be a pair of bools (width, height), got {self.wrap!r}")
        if isinstance(self.dtype, str) and self.dtype not in DTYPE_NAMES:
            names = ", ".join(DTYPE_NAMES)
            problems.append(f"unknown dtype {self.dtype!r}; choose one of {names}")
        if self.estimate not in ESTIMATES:
            problems.append(f"estimate must be {' or '.join(ESTIMATES)}, got {self.estimate!r}")
        if problems:
            raise ConfigError("; ".join(problems))

    @property
    def estimate_tile(self) -> int | None:
        """Tile size of the estimator in LQ pixels, without the halo; None for one pass."""
        return ESTIMATE_TILE if isinstance(self.tile, str) else self.tile

    def halo(self, exact: int) -> int:
        """Context around each tile in LQ pixels, for a network that sees `exact` of them.

        It is at most `exact`, as further pixels do not affect the result.
        """
        named = {"exact": exact, "fast": FAST_OVERLAP}
        wanted = named[self.overlap] if isinstance(self.overlap, str) else self.overlap
        return min(wanted, exact)


@dataclass(frozen=True)
class Job:
    """Callbacks for the progress of work and for cancelling it."""

    progress: ProgressFn | None = None
    """Called with (steps done, steps in all); steps are tiles, or LQ pixels where several images or
    regions are done one by one."""
    cancelled: CancelledFn | None = None
    """Called before each step; True cancels the work."""

    def report(self, done: int, total: int) -> None:
        """Reports progress."""
        if self.progress is not None:
            self.progress(done, total)

    def check(self) -> None:
        """Raises `Cancelled` if the caller asks to stop."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("stopped on request")

    def silent(self) -> "Job":
        """A copy without progress, for quick work."""
        return replace(self, progress=None)

    def part(self, before: int, share: int, total: int) -> "Job":
        """A job for a part of the work.

        Its last step is not reported: the caller does so once the part is used.

        Args:
            before: Steps that are done.
            share: Steps that the part is worth.
            total: Steps in all.
        """

        def progress(done: int, steps: int) -> None:
            if done < steps:
                self.report(before + share * done // steps, total)

        return replace(self, progress=progress if self.progress else None)


SMOOTHED, LOCKED, PER_FRAME = "smoothed", "locked", "per frame"
MODES = (SMOOTHED, LOCKED, PER_FRAME)
"""IDR of a frame: averaged with its neighbours', averaged over the film, or its own."""
_LARGEST_CRF = max(codec.largest_crf for codec in CODECS.values())


@dataclass(frozen=True)
class VideoOptions:
    """Options of estimating and encoding the frames of a video.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    mode: str = SMOOTHED
    """Mode, one of `MODES`."""
    smoothing: float = 0.8
    """0 to less than 1; see `kdsr.estimation.maps.smooth`."""
    scene_cut: float = CUT_ANGLE
    """Degrees between frames that begin a new scene; see `kdsr.estimation.maps.smooth`."""
    codec: str | None = None
    """A name in `CODECS`; None for the container's default."""
    crf: int | None = None
    """Constant rate factor: 0 is the best, 18 of H.264 hard to tell from it, 51 (VP9 and AV1: 63)
    the smallest; None for the codec's default."""
    quality: int = 95
    """Quality of animated WebP and AVIF, 1 to 100."""

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


DEFAULT_TILING = Tiling()
"""Tiling with all choices left to the device."""
UNWATCHED = Job()
"""Job without callbacks."""


def check_strength(strength: float) -> None:
    """Raises an error if a strength is out of range.

    Raises:
        ConfigError: If so; the message states the range.
    """
    low, high = STRENGTHS
    if not low <= strength <= high:
        raise ConfigError(f"strength must be {low:g} to {high:g}, got {strength:g}")


def _is_int(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
