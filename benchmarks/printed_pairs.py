"""Pairs whose degradation is in none of the pipelines: compressed as WebP, printed, scanned.

    python -m benchmarks.printed_pairs PHOTOS OUT [--count 60] [--held_out 12] [--scale 4]

writes OUT/train/{GT,LQ} and OUT/test/{GT,LQ} with the same names, to train and measure on:

    python train/run.py finetune --data OUT/train/GT --lq OUT/train/LQ --out runs/printed
    python train/evaluate.py --protocol pairs --set OUT/test/GT --lq OUT/test/LQ --model MODEL

Printed means halftoned: a screen of round dots for each colour, at angles of its own, the dots two
LQ pixels apart; scanned means averaged to LQ pixels again.
"""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from tools.arguments import parser_of
from train.data.images import find_images, held_out_names, read_rgb

_FINE = 4  # pixels of the print for one of the scan
_PITCH = 2.0  # LQ pixels between dots
_ANGLES = (15.0, 75.0, 45.0)  # degrees, of the red, green and blue screen
_QUALITY = 60  # of WebP


def main() -> None:
    """Writes both folders."""
    parser = parser_of(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=60, help="pairs to train on")
    parser.add_argument("--held_out", type=int, default=12, help="pairs to measure on")
    parser.add_argument("--scale", type=int, default=4)
    arguments = parser.parse_args()
    paths = {path.name: path for path in find_images(arguments.photos)}
    held = held_out_names(list(paths), arguments.held_out)
    chosen = held_out_names([name for name in paths if name not in held], arguments.count)
    for part, names in (("test", held), ("train", chosen)):
        for name in sorted(names):
            write_pair(paths[name], arguments.out / part, arguments.scale)


def write_pair(path: Path, folder: Path, scale: int) -> None:
    """Writes the photograph, cropped to whole LQ pixels, and its print as PNG."""
    gt = read_rgb(path)
    height, width = (n // scale * scale for n in gt.shape[:2])
    image = Image.fromarray(np.ascontiguousarray(gt[:height, :width]))
    small = image.resize((width // scale, height // scale), Image.Resampling.BICUBIC)
    for kind, made in (("GT", image), ("LQ", printed(small))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        made.save(folder / kind / f"{path.stem}.png")


def printed(image: Image.Image) -> Image.Image:
    """An RGB image as WebP, halftone and scan leave it."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    fine = Image.open(buffer).resize(
        (image.width * _FINE, image.height * _FINE), Image.Resampling.BICUBIC
    )
    tones = np.asarray(fine, dtype=np.float64) / 255
    rows, columns = np.mgrid[: tones.shape[0], : tones.shape[1]] / _FINE
    dots = np.empty_like(tones)
    for colour, angle in enumerate(np.radians(_ANGLES)):
        along = columns * math.cos(angle) + rows * math.sin(angle)
        across = rows * math.cos(angle) - columns * math.sin(angle)
        cosines = np.cos(2 * math.pi * along / _PITCH) + np.cos(2 * math.pi * across / _PITCH)
        # Shares of smaller cosines instead of these: as many dots are set as the tone says.
        shares = np.linspace(0, 1, 513)
        thresholds = np.interp(cosines, np.quantile(cosines[::5, ::5], shares), shares)
        dots[..., colour] = tones[..., colour] > thresholds
    scan = dots.reshape(image.height, _FINE, image.width, _FINE, 3).mean((1, 3))
    return Image.fromarray((scan * 255).round().astype(np.uint8))


if __name__ == "__main__":
    main()
