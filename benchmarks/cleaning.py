"""What an x1 model gains over its input, by kind of degradation, beside filters without learning.

    python -m benchmarks.cleaning FOLDER [--model kdsr-s-x1] [--side 256] [--hold_out 0]

PSNR on luma in dB against the photograph before it was degraded, as a difference from that of the
degraded one, on average over the middles of the photographs. What was not degraded cannot be gained
upon: there the PSNR itself is shown, by how far a cleaner leaves a good picture alone.

Whoever cleans does not know what was done: bilateral filter and non-local means (scikit-image,
needs the extra `benchmark`) take the noise that `benchmarks.classical` finds in the image, the
median (Pillow) is 3x3.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

import kdsr
from benchmarks.classical import noise_by_wavelet
from kdsr.errors import ConfigError
from tools.arguments import parser_of
from train.measuring.metrics import psnr_y
from train.measuring.pairs import Pair, degraded_pairs
from train.measuring.protocols import Case, fixed

KINDS = {
    "nothing": {},
    "noise 5": {"noise": 5}, "noise 10": {"noise": 10}, "noise 20": {"noise": 20},
    "JPEG 80": {"quality": 80}, "JPEG 60": {"quality": 60}, "JPEG 40": {"quality": 40},
    "blur 0.8 px": {"blur": 0.8}, "blur 1.2 px": {"blur": 1.2}, "blur 1.8 px": {"blur": 1.8},
    "blur 0.8 px, noise 8, JPEG 60": {"blur": 0.8, "noise": 8, "quality": 60},
    "blur 1.5 px, noise 15, JPEG 45": {"blur": 1.5, "noise": 15, "quality": 45},
}  # fmt: skip
"""Degradations by name; see `train.measuring.protocols.fixed`."""
Cleaner = Callable[[Tensor], Tensor]


def median(lq: Tensor) -> Tensor:
    """3x3, colour by colour."""
    return _tensor(np.asarray(Image.fromarray(_bytes(lq)).filter(ImageFilter.MedianFilter(3))))


def bilateral(lq: Tensor) -> Tensor:
    """scikit-image's; of 0.5, 1, 2 and 3 times the noise half of it served photographs best."""
    from skimage.restoration import denoise_bilateral

    found = denoise_bilateral(
        _bytes(lq) / np.float64(255),
        sigma_color=max(0.5 * _noise(lq), 1e-3),
        sigma_spatial=1.5,
        channel_axis=-1,
    )
    return _tensor(255 * found)


def non_local_means(lq: Tensor) -> Tensor:
    """scikit-image's fast one, with the strength that its documentation recommends."""
    from skimage.restoration import denoise_nl_means

    noise = _noise(lq)
    if noise == 0:
        return lq
    found = denoise_nl_means(
        _bytes(lq) / np.float64(255),
        h=0.8 * noise,
        sigma=noise,
        patch_size=5,
        patch_distance=6,
        channel_axis=-1,
    )
    return _tensor(255 * found)


def _noise(lq: Tensor) -> float:
    """Standard deviation, 0 to 1."""
    return float(noise_by_wavelet(lq)) / 255


def _bytes(lq: Tensor) -> np.ndarray:
    return (lq[0] * 255).round().byte().permute(1, 2, 0).numpy()


def _tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) from 0 to 255 -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None].clamp(0, 1)


def case(name: str) -> Case:
    """A degradation of `KINDS`; each photograph of a set has its own noise."""
    return Case(name, lambda gt, index: fixed(1, seed=index, **KINDS[name])(gt))


def middle(pair: Pair, side: int) -> Pair:
    """The middle of both images of a pair, beginning on a block of JPEG."""
    top, left = (max(0, (n - side) // 2) // 8 * 8 for n in pair.gt.shape[2:])
    part = (..., slice(top, top + side), slice(left, left + side))
    return Pair(pair.image, pair.case, pair.lq[part], pair.gt[part])


def mean_psnr(pairs: list[Pair], clean: Cleaner) -> float:
    """On luma, dB, on average over the images."""
    return sum(psnr_y(clean(pair.lq), pair.gt, 1).item() for pair in pairs) / len(pairs)


def row(pairs: list[Pair], cleaners: Iterable[Cleaner]) -> str:
    """The input's PSNR and what each cleaner changes of it, as cells of a table."""
    before = mean_psnr(pairs, lambda lq: lq)
    found = [mean_psnr(pairs, clean) for clean in cleaners]
    if math.isinf(before):
        return " | ".join(["", *(f"({psnr:.2f})" for psnr in found)])
    return " | ".join([f"{before:.2f}", *(f"{psnr - before:+.2f}" for psnr in found)])


def main() -> None:
    """Prints a Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, help="photographs that the model has not seen")
    parser.add_argument("--model", default="kdsr-s-x1")
    parser.add_argument("--side", type=int, default=256, help="pixels of the middles")
    parser.add_argument("--hold_out", type=int, default=0, help="as in train/evaluate.py")
    args = parser.parse_args()
    model = kdsr.load(args.model)
    if (scale := model.config.scale) != 1:
        raise ConfigError(f"expected a model that cleans, x1; {args.model} is x{scale}")
    cleaners: dict[str, Cleaner] = {
        args.model: lambda lq: model.upscale(lq, dtype="fp32"),
        "median 3x3": median,
        "bilateral": bilateral,
        "non-local means": non_local_means,
    }
    print(f"| degradation | input | {' | '.join(cleaners)} |")
    print("|---" * (2 + len(cleaners)) + "|")
    for name in KINDS:
        pairs = list(degraded_pairs(args.folder, [case(name)], 1, args.hold_out))
        middles = [middle(pair, args.side) for pair in pairs]
        print(f"| {name} | {row(middles, cleaners.values())} |", flush=True)


if __name__ == "__main__":
    main()
