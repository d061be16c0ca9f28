"""Pictures of a run: what goes in, what comes out, what should."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from kdsr.atomic import writing
from kdsr.pixels import to_bytes
from train.degradation.resize import resize_bicubic

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
