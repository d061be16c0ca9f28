"""Packs crops of photographs into a small folder, for a training on a rented machine.

    python train/pack.py PHOTOS PACK [--mib 40] [--side 512]

The command first takes the most detailed crop of each photograph, then the second of each, and so
on, until the next one would not fit. Files are AVIF in full colour (4:4:4).
"""

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image

from kdsr import KDSRError
from kdsr.atomic import writing
from train.data.image_files import find_images, read_rgb
from train.errors import DataError

_QUALITY = 90


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="train/pack.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="photographs: a folder or a list of paths")
    parser.add_argument("pack", type=Path, help="folder to write")
    parser.add_argument(
        "--mib", type=float, default=40.0, help="total size limit of the pack, in MiB"
    )
    parser.add_argument("--side", type=int, default=512, help="side of a crop, in pixels")
    arguments = parser.parse_args(argv)
    try:
        count, size = pack(arguments.source, arguments.pack, arguments.mib, arguments.side)
    except (KDSRError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"{count} crops, {size / 2**20:.1f} MiB in {arguments.pack}")  # noqa: T201
    return 0


def pack(source: Path, folder: Path, mib: float, side: int) -> tuple[int, int]:
    """Writes crops into a folder.

    Args:
        source: Photographs; see `find_images`.
        folder: The pack's folder, empty or new.
        mib: Total size limit in MiB.
        side: Side of a crop in pixels.

    Returns:
        The number of crops and their total size in bytes.

    Raises:
        DataError: If the folder has files, no photograph is as large as a crop, or not one fits.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"expected an empty or new folder for the pack, {folder} has files")
    folder.mkdir(parents=True, exist_ok=True)
    count, size, found = 0, 0, False
    for name, crop in _in_turn(source, side):
        found = True
        data = _encoded(crop)
        if size + len(data) > mib * 2**20:
            break
        with writing(folder / name) as temporary:
            temporary.write_bytes(data)
        count, size = count + 1, size + len(data)
    if not found:
        raise DataError(f"no image in {source} has {side} px a side; lower --side")
    if not count:
        raise DataError(f"not one crop of {side} px fits into {mib} MiB; raise --mib")
    return count, size


def _in_turn(source: Path, side: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pixels of all crops: the best of each photograph, then the second best of each."""
    paths = find_images(source)
    places = [_places(read_rgb(path), side) for path in paths]
    for rank in range(max(map(len, places), default=0)):
        for number, path in enumerate(paths):
            if rank < len(places[number]):
                top, left = places[number][rank]
                pixels = read_rgb(path)[top : top + side, left : left + side]
                yield f"{number:04d}-{rank:02d}.avif", pixels


def _places(pixels: np.ndarray, side: int) -> list[tuple[int, int]]:
    """Corners (top, left) of adjacent crops, the most detailed first."""
    grey = pixels.astype(np.float32).mean(2)
    found = []
    for top in range(0, grey.shape[0] - side + 1, side):
        for left in range(0, grey.shape[1] - side + 1, side):
            part = grey[top : top + side, left : left + side]
            detail = np.abs(np.diff(part, axis=0)).mean() + np.abs(np.diff(part, axis=1)).mean()
            found.append((-float(detail), top, left))
    return [(top, left) for _, top, left in sorted(found)]


def _encoded(crop: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "AVIF", quality=_QUALITY, subsampling="4:4:4")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
