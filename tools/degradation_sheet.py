"""Draws one photograph under every optional degradation, weak and strong.

    python -m tools.degradation_sheet [docs/images/degradations.jpg]

The text below each picture is that of `train/run.py --show`.
"""

from pathlib import Path

import numpy as np
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from kdsr.pixels import to_bytes
from tools.arguments import parser_of
from train.data.image_files import load_image
from train.degradation.banding import Banded
from train.degradation.chroma import Subsampled
from train.degradation.codecs import Encoded
from train.degradation.grain import Grained
from train.degradation.interlacing import Interlaced
from train.degradation.more import Drawn
from train.degradation.resampling import Resampled
from train.degradation.resize import resize_bicubic
from train.degradation.sharpening import Sharpened
from train.degradation.video import Filmed

ROOT = Path(__file__).resolve().parents[1]
_PHOTO = "samples/photos/sign.jpg"
_SCALE = 2  # small, so that the LQ image shows enough
_PART = (slice(20, 100), slice(30, 150))  # shown LQ rows and columns
_ENLARGED = 2
_LABEL, _COLUMNS = 18, 3

WAYS = (
    Resampled("area", antialias=True), Resampled("area", antialias=False),
    Resampled("lanczos", antialias=True), Resampled("lanczos", antialias=False),
)  # fmt: skip
STEPS: tuple[Drawn, ...] = (
    Sharpened(0.8, 0.8), Sharpened(2.0, 1.6), Subsampled(replicated=False),
    Subsampled(replicated=True), Banded(24), Banded(8), Grained(8, 0.4, coloured=False, seed=1),
    Grained(25, 1.0, coloured=True, seed=2), Interlaced(0, 0), Interlaced(3, 0),
    Encoded("webp", 60), Encoded("webp", 20), Encoded("avif", 60), Encoded("avif", 20),
    Encoded("jpeg444", 60), Encoded("jpeg444", 20), Filmed("h264", 30, None),
    Filmed("h264", 36, (0.6, 1.7)), Filmed("hevc", 36, (0.6, 1.7)),
)  # fmt: skip


def main() -> None:
    """Writes the sheet."""
    parser = parser_of(__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "docs/images/degradations.jpg")
    arguments = parser.parse_args()
    gt = load_image(ROOT / _PHOTO)
    size = (gt.shape[2] // _SCALE, gt.shape[3] // _SCALE)
    plain = resize_bicubic(gt, size).clamp(0, 1)
    cells = [("bicubic downscale: the image before", plain)]
    cells += [(way.describe(), way.resize(gt, size).clamp(0, 1)) for way in WAYS]
    cells += [(step.describe(), step.apply(plain)) for step in STEPS]
    sheet = draw([(words, image[0, :, _PART[0], _PART[1]]) for words, image in cells])
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.out, quality=85, subsampling=0)
    print(f"{arguments.out}: {sheet.width} x {sheet.height}, {len(cells)} pictures")


def draw(cells: list[tuple[str, Tensor]]) -> Image.Image:
    """Arranges pictures (3, H, W) in [0, 1] of one size in rows, with their texts below."""
    height, width = (n * _ENLARGED for n in cells[0][1].shape[1:])
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * width, rows * (height + _LABEL)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (words, picture) in enumerate(cells):
        row, column = divmod(index, _COLUMNS)
        place = (column * width, row * (height + _LABEL))
        sheet.paste(_enlarged(picture), place)
        pen.text((place[0] + 4, place[1] + height + 1), words, "black", font)
    return sheet


def _enlarged(picture: Tensor) -> Image.Image:
    large = F.interpolate(picture[None], scale_factor=_ENLARGED, mode="nearest")[0]
    pixels = to_bytes(large).permute(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(pixels.numpy()))


if __name__ == "__main__":
    main()
