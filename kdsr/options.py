"""What can be chosen, in values that need no PyTorch; library, command and nodes share it."""

from dataclasses import dataclass

from .errors import ConfigError

DEFAULT_MODEL = "kdsr-s-x4"
"""What is used where no model is named."""
PURPOSES = {
    "photo": "photographs whose past is unknown: crisp, at home with noise and JPEG",
    "faithful": "restores without invention, closest to the original",
    "old": "old or recompressed pictures: strong blocks, noise and blur",
}
"""What people have, and what the models for it do; the factor chooses the file
(`kdsr.files.catalog`)."""
DTYPE_NAMES = ("auto", "fp32", "fp16", "bf16")
"""Number formats by name; see `kdsr.tiles.precision`."""
EXPORT_DTYPE_NAMES = ("fp32", "fp16")
"""Those that files for other programs can be written in."""
WRAPS = {"none": (False, False), "x": (True, False), "y": (False, True), "both": (True, True)}
"""Names of the pairs (along the width, along the height) that `wrap` takes."""
OVERLAP_NAMES = ("exact", "fast")
"""exact: as far as the network sees. fast: `FAST_OVERLAP`."""
FAST_OVERLAP = 32
"""LQ pixels of `overlap="fast"`."""
ESTIMATE_TILE = 512
"""LQ pixels; an estimate does not depend on it, so it is merely small enough for any device."""
SAMPLED, WHOLE = "sampled", "whole"
ESTIMATES = (SAMPLED, WHOLE)
"""How an IDR is estimated. sampled: windows of a large image, and cells that the model knows
nothing like (dither, hatching) left out. whole: the mean over every pixel."""
MAP_CELLS = 6
"""Cells of an IDR map along the longer side, unless told otherwise."""
LARGEST_MAP = 100
"""Cells of an IDR map along the longer side."""
STRENGTHS = (0.0, 1.25)
"""Least and most: 0 takes an image for clean, 1 is as estimated. Sharpness and noise follow it in
one direction (docs/idr.md)."""
CRISPNESSES = (0.0, 1.25)
"""Least and most: 0 is the faithful model of a pair, 1 the crisp one, above 1 a little crisper."""
CUT_ANGLE = 5.0
"""Degrees that begin a new scene. Frames of one scene that differ by noise and a pan stay below 4
(with JPEG too, 5.3); 90 to 98% of pairs of scenes lie above it (measured on the bundled model,
80 x 80 px)."""


@dataclass(frozen=True)
class EstimateOptions:
    """How to cut the work of estimating; see `kdsr.estimation.whole` for the meaning.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    tile: int | str | None = "auto"
    wrap: tuple[bool, bool] = (False, False)
    estimate: str = SAMPLED

    def __post_init__(self) -> None:
        problems = _tile_problems(self.tile) + _wrap_problems(self.wrap)
        if self.estimate not in ESTIMATES:
            problems.append(f"estimate must be {' or '.join(ESTIMATES)}, got {self.estimate!r}")
        _raise(problems)

    @property
    def pixels(self) -> int | None:
        """LQ pixels between halos, None for one pass."""
        return ESTIMATE_TILE if isinstance(self.tile, str) else self.tile


@dataclass(frozen=True)
class UpscaleOptions:
    """How to cut the work of upscaling; see `kdsr.upscaling.tiled` for the meaning.

    Raises:
        ConfigError: Listing every value that is out of range.
    """

    tile: int | str | None = "auto"
    overlap: int | str = "exact"
    wrap: tuple[bool, bool] = (False, False)
    batch: int | str = "auto"

    def __post_init__(self) -> None:
        problems = _tile_problems(self.tile)
        if self.overlap not in OVERLAP_NAMES and not _is_int(self.overlap, 0):
            problems.append(
                f'overlap must be "exact", "fast" or at least 0 LQ pixels, got {self.overlap!r}'
            )
        if self.batch != "auto" and not _is_int(self.batch, 1):
            problems.append(f'batch must be at least 1 tile or "auto", got {self.batch!r}')
        _raise(problems + _wrap_problems(self.wrap))

    def halo(self, exact: int) -> int:
        """LQ pixels of context around each tile of a network that sees `exact` of them.

        Never more: what the network does not see changes nothing.
        """
        named = {"exact": exact, "fast": FAST_OVERLAP}
        wanted = named[self.overlap] if isinstance(self.overlap, str) else self.overlap
        return min(wanted, exact)


def _raise(problems: list[str]) -> None:
    if problems:
        raise ConfigError("; ".join(problems))


def _tile_problems(tile: object) -> list[str]:
    if tile in ("auto", None) or _is_int(tile, 1):
        return []
    return [f'tile must be at least 1 LQ pixel, "auto" or None for one pass, got {tile!r}']


def _wrap_problems(wrap: object) -> list[str]:
    if isinstance(wrap, tuple) and len(wrap) == 2:
        return []
    return [f"wrap must be a pair of bools (width, height), got {wrap!r}"]


def _is_int(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
