"""From what people type to files: globs, folders, output names, the device."""

import argparse
import glob
from pathlib import Path

import torch

from ..errors import ConfigError, ImageError
from ..files.image_formats import READ_SUFFIXES, WRITE_SUFFIXES


def find_inputs(patterns: list[str]) -> list[Path]:
    """Files that the arguments name, in order and once each.

    Raises:
        ImageError: If a folder or glob holds no image. A file that is missing is left for the
            reading to report, so that the others still run.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in READ_SUFFIXES)
            if not inside:
                kinds = ", ".join(READ_SUFFIXES)
                raise ImageError(f"{path}: the folder holds no images ({kinds})")
            found |= dict.fromkeys(inside)
        elif glob.has_magic(pattern) and not path.exists():
            matches = sorted(Path(p) for p in glob.glob(pattern, recursive=True))  # noqa: PTH207
            if not matches:
                raise ImageError(f"{pattern}: no file matches")
            found |= dict.fromkeys(p for p in matches if p.is_file())
        else:
            found[path] = None
    return list(found)


def output_path(
    source: Path, output: Path | None, suffix: str, form: str | None, *, single: bool
) -> Path:
    """Where the result of `source` goes.

    Args:
        source: The input file.
        output: A file (only for a single input) or a folder, or None for beside the input.
        suffix: Added to the name, unless `output` is a file.
        form: "png", "jpg", "webp" or "tif", or None for the input's (PNG for BMP).
        single: Whether there is only one input.

    Raises:
        ConfigError: If several inputs would go into one file.
    """
    if output is not None and output.suffix.lower() in WRITE_SUFFIXES and not output.is_dir():
        if not single:
            raise ConfigError(f"{output} is a file, but there are several inputs: name a folder")
        return output
    if form is not None:
        ending = f".{form}"
    else:
        ending = source.suffix if source.suffix.lower() in WRITE_SUFFIXES else ".png"
    return (output or source.parent) / f"{source.stem}{suffix}{ending}"


def tile_of(arguments: argparse.Namespace) -> int | str | None:
    """The tile that `--tile` means to the library."""
    return None if arguments.tile == "none" else arguments.tile


def check_apart(targets: dict[Path, Path]) -> None:
    """Refuses inputs whose results would replace each other.

    Args:
        targets: Input -> result.

    Raises:
        ConfigError: Naming every such pair.
    """
    first: dict[Path, Path] = {}
    clashes = [
        f"{first[target]} and {source} would both become {target}"
        for source, target in targets.items()
        if first.setdefault(target, source) is not source
    ]
    if clashes:
        raise ConfigError("; ".join(clashes) + "; give them different names or run them apart")


def check_new(path: Path, *, overwrite: bool) -> None:
    """Refuses to replace a file unless asked to, and makes its folder.

    Raises:
        ConfigError: If the file exists.
    """
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; add --overwrite to replace it")
    path.parent.mkdir(parents=True, exist_ok=True)


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
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigError(f"device {name!r} is not available here; use cpu or auto") from None
    return device
