"""Arguments of each subcommand as frozen dataclasses that check themselves; checks of paths.

This file does not import PyTorch, so that `--help` is fast.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..options import (
    DEFAULT_MODEL,
    EXPORT_DTYPE_NAMES,
    LARGEST_MAP,
    SAMPLED,
    WRAPS,
    Tiling,
    VideoOptions,
    check_strength,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..upscaling.sizes import OutputSize


def some_name(text: str) -> str:
    """Accepts a non-empty name: an unset shell variable must not mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file or folder, got nothing")
    return text


def some_path(text: str) -> Path:
    """Parses a path; see `some_name`."""
    return Path(some_name(text))


def number_or(*words: str) -> Callable[[str], int | str]:
    """Makes a parser for a number of pixels or one of some words."""

    def parse(text: str) -> int | str:
        if text in words:
            return text
        try:
            return int(text)
        except ValueError:
            expected = ", ".join(words)
            raise argparse.ArgumentTypeError(
                f"expected a number of pixels or one of {expected}, got {text!r}"
            ) from None

    return parse


def output_factor(text: str) -> "OutputSize":
    """Parses a factor: `2`, `x2` or `2x`."""
    from ..upscaling.sizes import OutputSize

    try:
        factor = float(text.lower().strip("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a factor such as 2, got {text!r}") from None
    try:
        return OutputSize(factor=factor)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def output_size(text: str) -> "OutputSize":
    """Parses a size; see `kdsr.upscaling.sizes.parse_size`."""
    from ..upscaling.sizes import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


IDR_SUFFIXES = (".safetensors",)
_FOR_IMAGES = {
    "map": "--map is for images: the IDR of a video changes over its frames",
    "save_idr": "--save-idr is for images; --mode says which IDR the frames of a video get",
    "one_idr": "--one-idr is for images; for one IDR for a video use --mode locked, or --idr",
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """Arguments of a subcommand.

    Raises:
        ConfigError: If arguments contradict each other or are out of range.
    """

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Self":
        """Copies the parser's values of the same names."""
        return cls(**{field.name: getattr(arguments, field.name) for field in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class _Computing(Command):
    crispness: float = 1.0
    overwrite: bool = False
    tile: int | str = "auto"
    """Tile size in LQ pixels, "auto" or "none"."""
    overlap: int | str = "exact"
    wrap: str = "none"
    """Key of `WRAPS`."""
    dtype: str = "auto"
    estimate: str = SAMPLED
    device: str = "auto"

    def __post_init__(self) -> None:
        _ = self.tiling  # checks itself

    @property
    def tiling(self) -> Tiling:
        """The tiling that the arguments describe."""
        tile = None if self.tile == "none" else self.tile
        wrap = WRAPS[self.wrap]
        return Tiling(tile, self.overlap, wrap, self.dtype, estimate=self.estimate)


@dataclass(frozen=True, kw_only=True)
class Upscale(_Computing):
    """Arguments of `kdsr upscale`."""

    input: list[str]
    """Files, folders and globs."""
    output: Path | None = None
    model: str | None = None
    """Name or path; None for the bundled model that fits the size."""
    size: "OutputSize | None" = None
    idr: Path | None = None
    one_idr: bool = False
    map: int | None = None
    """Number of IDR map cells along the longer side; None for no map."""
    strength: float = 1.0
    save_idr: Path | None = None
    suffix: str = "-kdsr"
    format: str | None = None
    """File suffix of results, without its dot."""
    compress: bool = False
    quality: int = 95
    strip: bool = False
    cluster: str | None = None
    """Ray address, "auto" or "local"; None for no cluster."""
    mode: str
    smoothing: float
    scene_cut: float
    codec: str | None = None
    crf: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"--quality must be 1 to 100, got {self.quality}")
        check_strength(self.strength)
        if self.map is not None and not 1 <= self.map <= LARGEST_MAP:
            raise ConfigError(f"--map must be 1 to {LARGEST_MAP} cells, got {self.map}")
        if self.save_idr and self.map:
            raise ConfigError("--save-idr keeps one IDR, --map makes many; leave one of them out")

    @property
    def by_size(self) -> bool:
        """Whether the size of each result chooses its model; a common IDR belongs to one model."""
        return self.size is not None and not self.one_idr

    @property
    def video(self) -> VideoOptions:
        """Options of estimation and encoding for videos.

        Raises:
            ConfigError: If a value is out of range.
        """
        mode = self.mode.replace("-", " ")
        return VideoOptions(
            mode, self.smoothing, self.scene_cut, self.codec, self.crf, self.quality
        )

    def check_for_videos(self) -> None:
        """Raises an error if an option does not apply to videos.

        Raises:
            ConfigError: If a value is out of range, or an option is for images only.
            VideoError: If PyAV is not installed.
        """
        for name, problem in _FOR_IMAGES.items():
            if getattr(self, name):
                raise ConfigError(problem)
        if self.wrap != "none":
            raise ConfigError("--wrap is for images")
        _ = self.video  # checks itself
        from ..video.pyav import load_av

        load_av()


@dataclass(frozen=True, kw_only=True)
class Estimate(_Computing):
    """Arguments of `kdsr estimate`."""

    input: list[str]
    output: Path | None = None
    model: str = DEFAULT_MODEL
    mean: bool = False


@dataclass(frozen=True, kw_only=True)
class Inspect(_Computing):
    """Arguments of `kdsr inspect`."""

    input: Path
    output: Path | None = None
    model: str = DEFAULT_MODEL
    other: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Bake(Command):
    """Arguments of `kdsr bake`."""

    output: Path
    model: str = DEFAULT_MODEL
    crispness: float = 1.0
    overwrite: bool = False
    idr: Path | None = None
    image: Path | None = None
    blind: bool = False
    split: bool = False
    dtype: str = EXPORT_DTYPE_NAMES[0]


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """Arguments of `kdsr demo`."""

    folder: Path
    model: str = DEFAULT_MODEL
    crispness: float = 1.0
    overwrite: bool = False
    dtype: str = EXPORT_DTYPE_NAMES[0]
    serve: int | None = None
    """Port of the server; None for no server."""


@dataclass(frozen=True, kw_only=True)
class Info(Command):
    """Arguments of `kdsr info`."""

    model: str


@dataclass(frozen=True, kw_only=True)
class Convert(Command):
    """Arguments of `kdsr convert`."""

    source: Path
    target: Path
    overwrite: bool


@dataclass(frozen=True, kw_only=True)
class BlendModels(Command):
    """Arguments of `kdsr blend-models`."""

    faithful: str
    crisp: str
    weight: float
    estimators: bool
    output: Path
    overwrite: bool


@dataclass(frozen=True, kw_only=True)
class Models(Command):
    """Arguments of `kdsr models`, which has none."""


def check_output(
    path: Path,
    suffixes: tuple[str, ...],
    holds: str,
    inputs: Iterable[str | Path | None],
    *,
    overwrite: bool,
) -> None:
    """Raises an error if the single result of a command cannot be written to a path.

    Args:
        path: Path of the result.
        suffixes: Allowed suffixes.
        holds: Content of the file, in the plural.
        inputs: All files that the command reads; None is ignored.
        overwrite: Whether to replace an existing file.

    Raises:
        ConfigError: If the suffix is wrong, or the path is an input, a folder or an existing file.
    """
    check_suffix(path, suffixes, holds)
    check_not_read([path], inputs)
    check_new(path, overwrite=overwrite)


def check_new(path: Path, *, overwrite: bool) -> None:
    """Raises an error if a path is a folder, a device, or a file that must not be replaced.

    Raises:
        ConfigError: If so.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is a device, pipe or socket, never replaced; name a file")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; add --overwrite to replace it")


def check_suffix(path: Path, suffixes: tuple[str, ...], holds: str, more: str = "") -> None:
    """Raises a `ConfigError` if a path has another suffix; `more` is added to the message."""
    if path.suffix.lower() not in suffixes:
        known = " or ".join(suffixes)
        raise ConfigError(f"{path}: cannot write {holds} into this; end it in {known}{more}")


def check_not_read(outputs: Iterable[Path], inputs: Iterable[str | Path | None]) -> None:
    """Raises a `ConfigError` if a result would replace an input; None is ignored."""
    read = {real_path(source) for source in inputs if source is not None}
    for path in outputs:
        if real_path(path) in read:
            raise ConfigError(f"{path} would replace what it is made from; give it another name")


def real_path(path: str | Path) -> str:
    """A key that is equal for all names of one file; hard links differ, as they survive."""
    return os.path.normcase(os.path.realpath(path))
