"""Real low-quality photographs beside what becomes of them, to be looked at.

    python -m tools.contact_sheet FOLDER OUT.jpg [--models kdsr-s-x4 other.safetensors]
        [--made FOLDER ...] [--only dog frog] [--crop 72]

A row an image: the most detailed crop, enlarged plainly, by bicubic interpolation, by each model,
and as another program made it (`--made`: a folder of PNG files of the same names).
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import kdsr
from kdsr.files.images import read_image
from kdsr.options import DEFAULT_MODEL
from kdsr.pixels import to_bytes
from tools.arguments import parser_of
from train.data.image_files import find_images

_LABEL = 22


def main() -> None:
    """Writes the sheet."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL])
    parser.add_argument("--made", type=Path, nargs="*", default=[], help="named as their programs")
    parser.add_argument("--only", nargs="*", help="names of images, without suffix")
    parser.add_argument("--crop", type=int, default=72, help="side in LQ pixels")
    arguments = parser.parse_args()
    models = {Path(name).stem: kdsr.load(name) for name in arguments.models}
    chosen = [p for p in find_images(arguments.folder) if p.stem in (arguments.only or [p.stem])]
    rows = [_row(path, models, arguments.made, arguments.crop) for path in chosen]
    columns = ["low quality", "bicubic", *models, *(folder.name for folder in arguments.made)]
    sheet = torch.cat([torch.cat(row, dim=2) for row in rows], dim=1)
    image = Image.new("RGB", (sheet.shape[2], sheet.shape[1] + _LABEL), "white")
    pixels = to_bytes(sheet).permute(1, 2, 0).numpy()
    image.paste(Image.fromarray(pixels), (0, _LABEL))
    draw, width = ImageDraw.Draw(image), sheet.shape[2] // len(columns)
    for index, name in enumerate(columns):
        draw.text((index * width + 6, 3), name, "black", font=ImageFont.load_default(15))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    image.save(arguments.out, quality=90)
    print(f"{arguments.out}: {image.width} x {image.height}, {len(rows)} images")


def _row(path: Path, models: dict[str, kdsr.KDSR], made: list[Path], crop: int) -> list[Tensor]:
    """Pictures (3, side, side) of one image; every model sees all of it."""
    lq = read_image(path).rgb
    scale = next(iter(models.values())).config.scale
    top, left = most_detailed(lq, crop)
    area = (slice(top * scale, (top + crop) * scale), slice(left * scale, (left + crop) * scale))
    side = (lq.shape[2] * scale, lq.shape[3] * scale)
    pictures = [
        F.interpolate(lq, size=side, mode="nearest"),
        F.interpolate(lq, size=side, mode="bicubic", antialias=True),
        *(model.upscale(lq) for model in models.values()),
        *(read_image(folder / f"{path.stem}.png").rgb for folder in made),
    ]
    return [_padded(picture[0, :, area[0], area[1]], crop * scale) for picture in pictures]


def most_detailed(lq: Tensor, crop: int) -> tuple[int, int]:
    """Top left corner of the crop with the strongest gradients, of (1, 3, H, W)."""
    grey = lq.mean(1, keepdim=True)
    energy = F.pad(grey.diff(dim=-1).abs(), (0, 1)) + F.pad(grey.diff(dim=-2).abs(), (0, 0, 0, 1))
    height, width = (min(crop, n) for n in lq.shape[2:])
    sums = F.avg_pool2d(energy, (height, width), stride=4)[0, 0]
    best = int(sums.argmax())
    return best // sums.shape[1] * 4, best % sums.shape[1] * 4


def _padded(picture: Tensor, side: int) -> Tensor:
    return F.pad(picture, (0, side - picture.shape[2], 0, side - picture.shape[1]), value=1.0)


if __name__ == "__main__":
    main()
