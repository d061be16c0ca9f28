"""Folders of models, inputs and outputs."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import folder_paths

from ...kdsr import spandrel_archs
from ...kdsr.errors import KDSRError
from ...kdsr.files.catalog import WEIGHTS
from ..file_names import name_problem

MODEL_FOLDER = "kdsr"
_EXTENSIONS = {".safetensors", ".pt", ".pth"}
_IDR = ".safetensors"
_OUTPUT, _INPUT = " [output]", " [input]"  # how ComfyUI marks a file of these folders


def register_model_folder() -> None:
    """Makes models/kdsr, and known, beside the folders that extra_model_paths.yaml names."""
    default = str(Path(folder_paths.models_dir, MODEL_FOLDER))
    with suppress(OSError):  # a read-only disk is no reason to go without nodes
        Path(default).mkdir(parents=True, exist_ok=True)
    known = folder_paths.folder_names_and_paths.get(MODEL_FOLDER, ([], set()))[0]
    paths = [*known, *([] if default in known else [default])]
    # Set directly: add_model_folder_path gives a new name an empty list of extensions.
    folder_paths.folder_names_and_paths[MODEL_FOLDER] = (paths, set(_EXTENSIONS))


def extend_stock_loader() -> None:
    """Makes Load Upscale Model list the bundled models, and load every KDSR file."""
    try:
        spandrel_archs.install()
    except KDSRError:  # a host without spandrel has no such loader
        return
    # Last in the list: what is downloaded goes to the first.
    folder_paths.add_model_folder_path("upscale_models", str(WEIGHTS))


def model_files() -> list[str]:
    """Names of the files in models/kdsr."""
    return folder_paths.get_filename_list(MODEL_FOLDER)


def model_path(name: object) -> Path | None:
    """The file of that name in models/kdsr, or None if `model_files` would not list it."""
    if not isinstance(name, str) or Path(name).suffix.lower() not in _EXTENSIONS:
        return None
    path = folder_paths.get_full_path(MODEL_FOLDER, name)
    return Path(path) if path else None


def model_folders() -> list[Path]:
    """Every folder of models/kdsr; the first keeps what is downloaded."""
    return [Path(folder) for folder in folder_paths.get_folder_paths(MODEL_FOLDER)]


def upscale_model_folder() -> Path:
    """Folders in which Load Upscale Model finds the user's models."""
    return Path(folder_paths.get_folder_paths("upscale_models")[0])


def new_output_path(prefix: str, suffix: str, folder: Path | None = None) -> Path:
    """The next free file name in a folder, as Save Image numbers its files.

    Args:
        prefix: Path and beginning of the name.
        suffix: Suffix of the name.
        folder: Folder; by default the output folder.

    Raises:
        KDSRError: If the name is not allowed.
    """
    prefix = prefix.replace("\\", "/") if isinstance(prefix, str) else prefix
    if problem := name_problem(prefix) or name_problem(f"{prefix}_00001_{suffix}"):
        raise KDSRError(
            f"no file can be saved as {str(prefix)[:80]!r}: {problem}. Fields like %year% work "
            "everywhere, %date:yyyy-MM-dd% in ComfyUI's page only"
        )
    try:
        inside, name, counter, _, _ = folder_paths.get_save_image_path(
            prefix, str(folder or folder_paths.get_output_directory())
        )
    except Exception as error:
        raise KDSRError(f"{prefix!r} leads out of that folder, through a link") from error
    path = Path(inside, f"{name}_{counter:05}_{suffix}")
    while path.exists():
        counter += 1
        path = Path(inside, f"{name}_{counter:05}_{suffix}")
    return path


def new_temp_path(prefix: str, suffix: str) -> Path:
    """A file name of its own in the temp folder, which ComfyUI empties when it starts."""
    return Path(folder_paths.get_temp_directory(), f"{prefix}_{secrets.token_hex(8)}{suffix}")


def idr_files() -> list[str]:
    """Safetensors files in the input folder, and those in the output folder marked [output].

    Links are followed, as ComfyUI does with models. `idr_path` takes every one of these names.
    """
    found = []
    for folder, mark in (
        (folder_paths.get_input_directory(), ""),
        (folder_paths.get_output_directory(), _OUTPUT),
    ):
        names = (path.relative_to(folder).as_posix() for path in _files(Path(folder)))
        found += sorted(name + mark for name in names if _may_be_idr(name))
    return found


def idr_path(name: object) -> Path | None:
    """The file that `idr_files` calls so, or None if there is none inside those folders."""
    if not isinstance(name, str):
        return None
    get_folder = folder_paths.get_input_directory
    if name.endswith(_OUTPUT):
        get_folder = folder_paths.get_output_directory
    plain = name.removesuffix(_OUTPUT).removesuffix(_INPUT)
    path = Path(get_folder(), plain)
    return path if _may_be_idr(plain) and path.is_file() else None


def _may_be_idr(name: str) -> bool:
    return name_problem(name) is None and name.endswith(_IDR)


def _files(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Files in a folder and below, through links too, but never around in a circle."""
    real = os.path.realpath(folder)
    if real in above or not os.access(folder, os.R_OK | os.X_OK):
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path, above | {real})
        elif path.is_file():
            yield path
