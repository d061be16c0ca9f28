from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from train.degradation.resize import resize_bicubic
from train.loop.pictures import save_preview


def test_a_preview_is_the_pictures_side_by_side_below_their_names(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    lq, gt = (torch.rand(2, 3, 4 * s, 5 * s, generator=generator) for s in (1, 4))
    made = gt * 1.4 - 0.2  # beyond black and white
    save_preview(tmp_path / "new" / "p.png", lq, gt, {"student": made})
    with Image.open(tmp_path / "new" / "p.png") as image:
        pixels = np.asarray(image)
    columns = [F.interpolate(lq, size=(16, 20)), resize_bicubic(lq, (16, 20)), made, gt]
    rows = [torch.cat([column[i] for column in columns], dim=2) for i in range(2)]
    expected = (torch.cat(rows, dim=1).clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert pixels.shape == (14 + 32, 4 * 20, 3)
    assert np.array_equal(pixels[14:], expected)
    assert all(pixels[:14, left : left + 20].any() for left in range(0, 80, 20))
