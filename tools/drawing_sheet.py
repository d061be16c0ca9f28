"""Draws a contact sheet of the patterns that training draws into crops.

python -m tools.drawing_sheet OUT.png [--photo FILE] [--side 128] [--columns 8] [--kinds text map]
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from tools.arguments import parser_of
from train.data.image_files import read_rgb
from train.data.patterns import KINDS, draw_kind

ROOT = Path(__file__).resolve().parents[1]
_LABEL, _GAP = 96, 4


def main() -> None:
    """Writes the sheet."""
    parser = parser_of(__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--photo", type=Path, default=ROOT / "samples/photos/sign.jpg")
    parser.add_argument("--side", type=int, default=128, help="side of a crop in pixels")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    arguments = parser.parse_args()
    photo = torch.from_numpy(read_rgb(arguments.photo).copy())
    sheet = contact_sheet(photo, arguments.kinds, arguments.side, arguments.columns)
    sheet.save(arguments.out)
    print(f"{arguments.out}: {sheet.width} x {sheet.height}, {len(arguments.kinds)} kinds")


def contact_sheet(photo: torch.Tensor, kinds: list[str], side: int, columns: int) -> Image.Image:
    """Draws a row for each kind, over crops of a photograph (H, W, 3), uint8."""
    step = side + _GAP
    sheet = Image.new("RGB", (_LABEL + columns * step, len(kinds) * step), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, kind in enumerate(kinds):
        pen.text((4, row * step + side // 2 - 8), kind, "black", font)
        for column in range(columns):
            rng = np.random.default_rng([row, column])
            top, left = [int(rng.integers(n - side + 1)) for n in photo.shape[:2]]
            crop = photo[top : top + side, left : left + side]
            drawn = Image.fromarray(draw_kind(crop, kind, rng).numpy())
            sheet.paste(drawn, (_LABEL + column * step, row * step))
    return sheet


if __name__ == "__main__":
    main()
