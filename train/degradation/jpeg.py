"""JPEG compression of batches on any device, with a quality per sample."""

import functools
import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from kdsr.pixels import levels, to_bytes
from train.colour import from_ycbcr, to_ycbcr

# Quantisation tables of the standard's Annex K, which libjpeg scales by quality.
_LUMA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 "
    "62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 "
    "98 112 100 103 99"
)
_CHROMA_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))


def jpeg(images: Tensor, quality: Tensor, *, transposed_luma: bool = False) -> Tensor:
    """Compresses and decompresses images with 4:2:0 chroma, Pillow's default.

    Args:
        images: Images (B, 3, H, W) in [0, 1], any size.
        quality: JPEG quality, (B,), 1 to 100; 0 keeps a sample unchanged.
        transposed_luma: Use BasicSR's transposed luminance table, for comparison with models
            trained on it. Deviation: the default is the standard's table.

    Returns:
        (B, 3, H, W) in [0, 1], on the 8-bit grid where a sample was compressed.
    """
    chosen = quality > 0
    if not chosen.any():
        return images
    index = chosen.nonzero()[:, 0].to(images.device)
    result = images.clone()
    result[index] = _compress(images[index].float(), quality[chosen], transposed_luma).to(images)
    return result


def _compress(images: Tensor, quality: Tensor, transposed_luma: bool) -> Tensor:
    h, w = images.shape[2:]
    bytes_ = levels(images)
    padded = F.pad(bytes_, (0, -w % 16, 0, -h % 16), mode="replicate")
    ycc = to_ycbcr(padded)
    luma_table, chroma_table = (_scaled(t, quality).to(images) for t in _tables(transposed_luma))
    luma = _through_blocks(ycc[:, :1].round() - 128, luma_table)
    chroma = _through_blocks(F.avg_pool2d(ycc[:, 1:], 2).round(), chroma_table)
    # libjpeg's "fancy" upsampling is this triangle filter.
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    ycc = torch.cat((luma + 128, chroma), 1)
    rgb = from_ycbcr(ycc)
    return rgb[:, :, :h, :w].round().clamp(0, 255) / 255


def _through_blocks(planes: Tensor, table: Tensor) -> Tensor:
    """Quantises the 8x8 DCT blocks of planes (B, C, H, W) by a table per sample, (B, 8, 8)."""
    b, c, h, w = planes.shape
    dct = dct_matrix().to(planes)
    blocks = planes.reshape(b, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    table = table[:, None, None, None]
    levels = (dct @ blocks @ dct.T / table).round() * table
    return (dct.T @ levels @ dct).transpose(3, 4).reshape(b, c, h, w)


def _scaled(table: Tensor, quality: Tensor) -> Tensor:
    """Scales a table to qualities (B,), as libjpeg does: (B, 8, 8)."""
    quality = quality.double().round().clamp(1, 100)
    factor = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    return ((table * factor.cpu()[:, None, None] + 50) / 100).floor().clamp(1, 255)


@functools.lru_cache(maxsize=2)
def _tables(transposed_luma: bool) -> tuple[Tensor, Tensor]:
    luma = torch.tensor([float(n) for n in _LUMA.split()], dtype=torch.float64).reshape(8, 8)
    chroma = torch.full((8, 8), 99.0, dtype=torch.float64)
    chroma[:4, :4] = torch.tensor(_CHROMA_CORNER)
    return (luma.T.contiguous() if transposed_luma else luma), chroma


@functools.lru_cache(maxsize=1)
def dct_matrix() -> Tensor:
    """The orthonormal DCT matrix for 8 values, (8, 8)."""
    n = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos(math.pi / 8 * (n + 0.5) * n[:, None]) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.float()


def jpeg_by_pillow(images: Tensor, quality: Tensor, chroma: str = "4:2:0") -> Tensor:
    """Compresses images by Pillow's libjpeg, sample by sample on the CPU; the reference for `jpeg`.

    Args:
        images: Images (B, 3, H, W) in [0, 1].
        quality: JPEG quality, (B,), 1 to 100; 0 keeps a sample unchanged.
        chroma: Chroma subsampling as Pillow names it.
    """
    result = images.clone()
    for i, q in enumerate(quality.round().int().tolist()):
        if q > 0:
            pixels = to_bytes(images[i]).permute(1, 2, 0).cpu().numpy()
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", quality=q, subsampling=chroma)
            with Image.open(buffer) as decoded:
                array = np.asarray(decoded, dtype=np.float32) / 255
            result[i] = torch.from_numpy(array).permute(2, 0, 1).to(images)
    return result
