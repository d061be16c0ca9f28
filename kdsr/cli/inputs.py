"""From what people type to what it means: globs, folders, the tile, the device."""

import argparse
import glob
from pathlib import Path

import torch

from ..errors import ConfigError, ImageError
from ..files.image_formats import NOT_READ, READ_SUFFIXES
from ..options import WRAPS, Tiling
from .streams import note

_DEVICES = ("cpu", "cuda", "mps")  # PyTorch names others, but the networks do not run there


def find_inputs(patterns: list[str], suffixes: tuple[str, ...] = READ_SUFFIXES) -> list[Path]:
    """Files that the arguments name, in order and once each.

    Args:
        patterns: Files, folders and globs.
        suffixes: Of the files that are taken from folders.

    Raises:
        ImageError: If a folder or glob holds no image. A file that is missing is left for the
            reading to report, so that the others still run.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
            if not inside:
                what = "images" if suffixes == READ_SUFFIXES else "images or videos"
                kinds = ", ".join(suffixes)
                raise ImageError(f"{path}: the folder holds no {what} ({kinds})")
            found |= dict.fromkeys(inside)
            _say_passed_over(path)
        elif glob.has_magic(pattern) and not path.exists():
            matches = sorted(Path(p) for p in glob.glob(_literal(path), recursive=True))  # noqa: PTH207
            if not matches:
                raise ImageError(f"{pattern}: no file matches")
            found |= dict.fromkeys(p for p in matches if p.is_file())
        else:
            found[path] = None
    return list(found)


def _literal(path: Path) -> str:
    """A pattern of which a folder that exists is no pattern: `photos [2019]/*.jpg`."""
    there = next((folder for folder in path.parents if folder.is_dir()), None)
    if there is None or not glob.has_magic(str(there)):
        return str(path)
    return str(Path(glob.escape(str(there))) / path.relative_to(there))


def _say_passed_over(folder: Path) -> None:
    """Says which pictures of a folder are of kinds that are not read."""
    others = [p.suffix.lower() for p in folder.iterdir() if p.suffix.lower() in NOT_READ]
    if others:
        kinds = ", ".join(sorted(set(others)))
        note(f"{folder}: {len(others)} files of kinds that are not read are passed over ({kinds})")


def tiling_of(arguments: argparse.Namespace) -> Tiling:
    """How the networks are to run over images.

    Raises:
        ConfigError: If a value is out of range.
    """
    tile = None if arguments.tile == "none" else arguments.tile
    overlap = getattr(arguments, "overlap", "exact")
    wrap = WRAPS[arguments.wrap]
    return Tiling(tile, overlap, wrap, arguments.dtype, estimate=arguments.estimate)


def pick_device(name: str) -> torch.device:
    """The device that a name means; auto takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: If it is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in _DEVICES:
            raise ConfigError(
                f"device {name!r} is not supported; use {', '.join(_DEVICES)} or auto"
            )
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigError(f"device {name!r} is not available here; use cpu or auto") from None
    return device
