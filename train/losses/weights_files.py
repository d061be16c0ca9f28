"""Reads weights files of classification networks and of distances built on them."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from kdsr.errors import CheckpointError


def read_state(path: Path, what: str) -> dict[str, Tensor]:
    """Reads the tensors of a `.npz`, `.safetensors` or PyTorch file (`.pth`, `.pt`).

    Args:
        path: Path of the file.
        what: Expected content, for error messages, such as "VGG19 (.pth)".

    Raises:
        CheckpointError: If the file is missing, damaged or holds no tensors by name.
    """
    if not path.is_file():
        raise CheckpointError(f"expected {what} at {path}: no such file")
    try:
        state = _read(path)
    except (
        OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise CheckpointError(f"{path} cannot be read as {what}: {error}") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: expected {what}, tensors by name, got {type(state)}")
    return state


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".npz":
        with np.load(path) as file:
            return {key: torch.from_numpy(file[key]) for key in file.files}
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
