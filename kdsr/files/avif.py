"""AVIFs of 10 or 12 bits, which Pillow reads as 8."""

from pathlib import Path

import numpy as np

from .tiff_reading import to_sixteen

_HEAD = 1 << 16  # bytes, in which the boxes lie


def read_deep_avif(path: Path, said: list[str]) -> np.ndarray | None:
    """Reads an AVIF of more than 8 bits a channel as (H, W, 3 or 4) uint16, not turned yet.

    Args:
        path: The file.
        said: Takes what is to be said where the package imagecodecs is missing.

    Returns:
        None if it has 8 bits, or has to be read as such.
    """
    bits = bits_of(path)
    if bits <= 8:
        return None
    try:
        from imagecodecs import avif_decode
    except ImportError:
        said.append(f"its {bits} bits a channel are read as 8; pip install imagecodecs keeps them")
        return None
    values = np.asarray(avif_decode(path.read_bytes(), index=0))
    return to_sixteen(values if values.ndim == 3 else values[..., None], bits)


def bits_of(path: Path) -> int:
    """Of the first picture's channels, as its box `pixi` says; 8 if there is none."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    at = head.find(b"pixi")
    return head[at + 9] if 0 <= at < len(head) - 9 and head[at + 8] else 8
