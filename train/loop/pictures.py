"""Pictures of a run: previews of results, and a sheet of the first training pairs."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from kdsr.atomic import writing
from kdsr.pixels import to_bytes
from train.data.crops import CropSampler
from train.degradation.resize import resize_bicubic
from train.loop.training_data import open_data, pair_source
from train.recipes.options import TrainOptions

_TITLE = 14  # height of a column's title, pixels


def save_preview(path: Path, lq: Tensor, gt: Tensor, pictures: dict[str, Tensor]) -> None:
    """Writes a PNG grid with a row per sample and titled columns: LQ, bicubic, pictures, GT.

    The bicubic column is left out at x1, where it equals the LQ.

    Args:
        path: Path of the PNG; its folder is created.
        lq: LQ images, (B, 3, H, W) in [0, 1].
        gt: Ground truths, (B, 3, sH, sW) in [0, 1].
        pictures: Further columns by name, each like `gt`.
    """
    size = (gt.shape[2], gt.shape[3])
    lq, larger = lq.float().cpu(), lq.shape != gt.shape
    columns = {
        "LQ": F.interpolate(lq, size=size, mode="nearest"),
        **({"bicubic": resize_bicubic(lq, size)} if larger else {}),
        **{name: picture.float().cpu() for name, picture in pictures.items()},
        "GT": gt.float().cpu(),
    }
    grid = torch.cat([torch.cat(list(column), dim=1) for column in columns.values()], dim=2)
    pixels = to_bytes(grid).permute(1, 2, 0).numpy()
    image = Image.fromarray(np.pad(pixels, ((_TITLE, 0), (0, 0), (0, 0))))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(_TITLE - 4)
    for index, name in enumerate(columns):
        draw.text((index * size[1] + 2, 1), name, (255, 255, 255), font)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as temporary:
        image.save(temporary, "PNG")


_SIDE = 224  # smallest side of a picture on the sheet, pixels
_COLUMNS = 4
_TEXT = 12  # height of the text, pixels
_GAP = 8


def show_pairs(options: TrainOptions, count: int) -> Path:
    """Writes OUT/pairs.png: the first samples, LQ beside GT, with their degradations in words.

    Args:
        options: Options of the run.
        count: Number of samples.

    Returns:
        The path of the picture.

    Raises:
        DataError: If there are no images to train on.
    """
    data, cpu = open_data(options), torch.device("cpu")
    crops = CropSampler(data.photographs, options.seed, options.patterns)
    source = pair_source(options, data.pairs, crops, cpu)
    size = options.patch * options.scale
    cells = []
    for first in range(0, count, options.batch):
        step, samples = first // options.batch, range(min(options.batch, count - first))
        lq, gt, *_ = source.make(step, samples, size)
        words = source.describe(step, samples, size)
        cells += [_cell(*each) for each in zip(lq, gt, words, strict=True)]
    path = options.out / "pairs.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as temporary:
        _sheet(cells).save(temporary, "PNG")
    return path


def _cell(lq: Tensor, gt: Tensor, words: str) -> Image.Image:
    """Draws LQ and GT side by side, enlarged by nearest neighbour to one size, above a text."""
    factor = max(1, -(-_SIDE // gt.shape[1]))
    pictures = [_enlarged(lq, gt.shape[1] // lq.shape[1] * factor), _enlarged(gt, factor)]
    font = ImageFont.load_default(_TEXT)
    width, side = 2 * pictures[0].width, pictures[0].height
    lines = textwrap.wrap(words, int(width / font.getlength("x")))
    cell = Image.new("RGB", (width, side + (_TEXT + 3) * len(lines) + 4), "white")
    for column, picture in enumerate(pictures):
        cell.paste(picture, (column * picture.width, 0))
    draw = ImageDraw.Draw(cell)
    for row, line in enumerate(lines):
        draw.text((2, side + 2 + row * (_TEXT + 3)), line, "black", font)
    return cell


def _enlarged(picture: Tensor, factor: int) -> Image.Image:
    """Enlarges a picture (3, H, W) in [0, 1] by nearest neighbour."""
    large = F.interpolate(picture[None], scale_factor=factor, mode="nearest")[0]
    pixels = to_bytes(large)
    return Image.fromarray(np.ascontiguousarray(rearrange(pixels, "c h w -> h w c").numpy()))


def _sheet(cells: Sequence[Image.Image]) -> Image.Image:
    """Arranges cells of equal width in rows, each as high as its highest cell."""
    rows = [cells[i : i + _COLUMNS] for i in range(0, len(cells), _COLUMNS)]
    heights = [max(cell.height for cell in row) + _GAP for row in rows]
    width, columns = cells[0].width + _GAP, min(_COLUMNS, len(cells))
    sheet = Image.new("RGB", (width * columns + _GAP, sum(heights) + _GAP), "white")
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (_GAP + column * width, top))
        top += height
    return sheet
