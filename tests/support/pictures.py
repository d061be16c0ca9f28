"""Pictures of noise, and everything that lies in a folder."""

from pathlib import Path

import numpy as np
from PIL import Image


def save_noise(
    path: Path, height: int = 12, width: int = 16, channels: int = 3, seed: int = 1
) -> Path:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values[..., 0] if channels == 1 else values).save(path)
    return path


def contents(folder: Path) -> dict[str, bytes | None]:
    """Files, and None for folders, by their path below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
