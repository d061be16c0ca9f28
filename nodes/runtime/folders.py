"""Folders of models, inputs and outputs."""

from pathlib import Path

import folder_paths

from ...kdsr import spandrel
from ...kdsr.errors import KDSRError
from ...kdsr.files.catalog import WEIGHTS

MODEL_FOLDER = "kdsr"
_EXTENSIONS = {".safetensors", ".pt", ".pth"}


def register_model_folder() -> None:
    """Makes models/kdsr known, beside the folders that extra_model_paths.yaml names."""
    default = str(Path(folder_paths.models_dir, MODEL_FOLDER))
    known = folder_paths.folder_names_and_paths.get(MODEL_FOLDER, ([], set()))[0]
    paths = [*known, *([] if default in known else [default])]
    # Set directly: add_model_folder_path gives a new name an empty list of extensions.
    folder_paths.folder_names_and_paths[MODEL_FOLDER] = (paths, set(_EXTENSIONS))


def extend_stock_loader() -> None:
    """Makes Load Upscale Model list the bundled models, and load every KDSR file."""
    try:
        spandrel.install()
    except KDSRError:  # a host without spandrel has no such loader
        return
    # Last in the list: what is downloaded goes to the first.
    folder_paths.add_model_folder_path("upscale_models", str(WEIGHTS))


def model_files() -> list[str]:
    """Names of the files in models/kdsr."""
    return folder_paths.get_filename_list(MODEL_FOLDER)


def model_path(name: str) -> Path | None:
    """The file of that name in models/kdsr."""
    path = folder_paths.get_full_path(MODEL_FOLDER, name)
    return Path(path) if path else None


def model_folders() -> list[Path]:
    """Every folder of models/kdsr; the first keeps what is downloaded."""
    return [Path(folder) for folder in folder_paths.get_folder_paths(MODEL_FOLDER)]


def new_output_path(prefix: str, suffix: str) -> Path:
    """The next free file name in the output folder, as Save Image numbers its files."""
    folder, name, counter, _, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory()
    )
    path = Path(folder, f"{name}_{counter:05}_{suffix}")
    while path.exists():
        counter += 1
        path = Path(folder, f"{name}_{counter:05}_{suffix}")
    return path


def idr_files() -> list[str]:
    """Safetensors files in the input folder, and those in the output folder marked [output]."""
    found = []
    for folder, mark in (
        (folder_paths.get_input_directory(), ""),
        (folder_paths.get_output_directory(), " [output]"),
    ):
        files = Path(folder).rglob("*.safetensors") if Path(folder).is_dir() else []
        found += sorted(f.relative_to(folder).as_posix() + mark for f in files)
    return found


def annotated_path(name: str) -> Path | None:
    """The file that `idr_files` calls so, or None if there is none inside those folders."""
    plain, folder = folder_paths.annotated_filepath(name)
    folder = Path(folder or folder_paths.get_input_directory()).resolve()
    path = (folder / plain).resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None
