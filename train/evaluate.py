"""interim"""

from pathlib import Path
import torch, numpy as np
from torch import Tensor, nn
from train.data import find_images, read_rgb
from train.degradation.classic import ClassicDegradation, ClassicOptions
from train.degradation.general import GeneralParameters
from train.metrics import psnr_y


@torch.no_grad()
def quick_psnr(model: nn.Module, folder: Path, scale: int, device: torch.device) -> float:
    total = []
    from train.degradation.classic import ClassicParameters

    for path in find_images(folder):
        gt = torch.from_numpy(read_rgb(path).copy()).permute(2, 0, 1)[None].float() / 255
        h, w = gt.shape[2] // scale * scale, gt.shape[3] // scale * scale
        gt = gt[:, :, :h, :w]
        s = torch.tensor([2.4 if scale == 4 else 1.2])
        lq = ClassicDegradation(ClassicOptions(), scale).apply(
            gt, ClassicParameters(s, s, s * 0, s * 0, [0])
        )
        sr = model(lq.to(device))[0].cpu().clamp(0, 1)
        total.append(psnr_y(sr, gt, scale).item())
    return float(np.mean(total))
