"""Pictures of a run: previews of what comes out, and a sheet of the pairs before it begins."""

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

_TITLE = 14  # pixels


def save_preview(path: Path, lq: Tensor, gt: Tensor, pictures: dict[str, Tensor]) -> None:
    """Writes a PNG grid: a row per sample; LQ, bicubic, each picture, GT as titled columns.

    At x1 there is no bicubic one: it would be the LQ.

    Args:
        path: Of the PNG; its folder is made.
        lq: (B, 3, H, W) in [0, 1].
        gt: (B, 3, sH, sW) in [0, 1].
        pictures: By name, each like `gt`.
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


_SIDE = 224  # pixels of a picture on the sheet, at least
_COLUMNS = 4
_TEXT = 12  # its height, pixels
_GAP = 8


def show_pairs(options: TrainOptions, count: int) -> Path:
    """Writes OUT/pairs.png: the first `count` samples, LQ beside GT, and what was drawn for each.

    Args:
        options: Of a run.
        count: Of samples, in the order of the batches.

    Returns:
        The path.

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
    """Two pictures of the same side, pixels enlarged as they are, and text below them."""
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
    """(3, H, W) in [0, 1], every pixel as a square."""
    large = F.interpolate(picture[None], scale_factor=factor, mode="nearest")[0]
    pixels = to_bytes(large)
    return Image.fromarray(np.ascontiguousarray(rearrange(pixels, "c h w -> h w c").numpy()))


def _sheet(cells: Sequence[Image.Image]) -> Image.Image:
    """Cells of one width in rows, each row as high as its highest."""
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
