"""PSNR during training: images the model never sees, degraded like its training data."""

from pathlib import Path

import torch
from torch import Tensor, nn

from train.data.crops import ImageCache
from train.data.images import find_images, read_rgb
from train.degradation.pipelines import Degradation
from train.degradation.resize import resize_bicubic
from train.losses.terms import l1_loss
from train.measuring.metrics import psnr_y
from train.stages.distillation import Stage

_SIDE = 384  # GT pixels that are taken of a held-out image
_SEED = 1_000_003  # the same degradations in every run, so that runs can be compared


class Validation:
    """Sets of (LQ, GT) pairs with fixed degradations, on which PSNR-Y is measured.

    Args:
        degradation: Of the run.
        scale: Upscaling factor.
        folders: Of GT images, such as Set5.
        held_out: Images kept out of training.
        device: Where the model runs.
    """

    def __init__(
        self,
        degradation: Degradation,
        scale: int,
        folders: tuple[Path, ...],
        held_out: ImageCache,
        device: torch.device,
    ) -> None:
        self.scale, self.device, self.degradation = scale, device, degradation
        self._sets = {
            folder.name: [_load(path) for path in find_images(folder)] for folder in folders
        }
        if len(held_out):
            self._sets["held_out"] = [
                _middle(held_out.image(i).permute(2, 0, 1).cpu()) for i in range(len(held_out))
            ]
        self.bicubic: dict[str, float] = {}

    @torch.no_grad()
    def measure(self, stage: Stage, model: nn.Module) -> dict[str, float]:
        """Mean PSNR-Y in dB of each set, and of bicubic upscaling beside it; and mean L1."""
        numbers = {}
        for name, images in self._sets.items():
            scores, errors, plain = [], [], []
            for index, image in enumerate(images):
                lq, gt = self._degrade(image, index)
                sr = stage.upscale(model, lq, gt).float()
                scores.append(psnr_y(sr, gt, self.scale).item())
                errors.append(l1_loss(sr, gt).item())
                if name not in self.bicubic:
                    upscaled = resize_bicubic(lq, (gt.shape[2], gt.shape[3]))
                    plain.append(psnr_y(upscaled, gt, self.scale).item())
            if plain:
                self.bicubic[name] = sum(plain) / len(plain)
            numbers[f"psnr_y_{name}"] = sum(scores) / len(scores)
            numbers[f"l1_{name}"] = sum(errors) / len(errors)
            numbers[f"bicubic_psnr_y_{name}"] = self.bicubic[name]
        return numbers

    def _degrade(self, image: Tensor, index: int) -> tuple[Tensor, Tensor]:
        height, width = (n // self.scale * self.scale for n in image.shape[1:])
        gt = image[None, :, :height, :width].to(self.device).float() / 255
        return self.degradation.apply(gt, self.degradation.sample(_SEED, 0, [index])), gt


def _load(path: Path) -> Tensor:
    return torch.from_numpy(read_rgb(path).copy()).permute(2, 0, 1)


def _middle(image: Tensor) -> Tensor:
    top, left = ((n - _SIDE) // 2 if n > _SIDE else 0 for n in image.shape[1:])
    return image[:, top : top + _SIDE, left : left + _SIDE]
