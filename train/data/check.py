"""Checks training images: broken, too small, duplicate or degraded files, and benchmark images."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.data.image_files import find_images, read_picture, read_rgb, rgb_of
from train.errors import DataError

HASH_BITS = 10
"""Largest distance of the perceptual hashes (63 bits) of copies of one picture."""
# Limits for clean photographs, set on 25 photographs and degraded copies of them.
_MAX_BLOCKS = 1.12  # none of the clean ones, 85 in 100 of JPEG 75, all of JPEG 50
_MAX_NOISE = 7.0  # none of the clean ones, all with noise of 8
_MIN_DETAIL = 0.48  # none of the clean ones, all enlarged x2, a third enlarged x1.5


@dataclass(frozen=True)
class Problem:
    """A problem of an image file.

    Attributes:
        kind: One word: broken, tiny, transparent, duplicate, benchmark, blocks, noise or blur.
        path: The file.
        words: Description for people.
        serious: Whether it prevents a training, as broken files and benchmark images do.
    """

    kind: str
    path: Path
    words: str
    serious: bool = False


def check(source: Path, min_side: int, benchmarks: Sequence[Path] = ()) -> list[Problem]:
    """Checks every image of a source.

    Args:
        source: Folder or list file; see `find_images`.
        min_side: Side of the crops in pixels; smaller images cannot be trained on.
        benchmarks: Folders of images that must not be trained on, such as Set5.

    Returns:
        All problems, in the order of the files.
    """
    known = [
        (path, fingerprint)
        for folder in benchmarks
        for path in find_images(folder)
        for fingerprint in _both(read_rgb(path))
    ]
    seen: list[tuple[Path, int]] = []
    problems: list[Problem] = []
    for path in find_images(source):
        try:
            picture = read_picture(path)
        except DataError as error:
            problems.append(
                Problem("broken", path, str(error).removeprefix(f"{path} "), serious=True)
            )
            continue
        pixels = rgb_of(picture)
        if picture.alpha is not None and picture.transparent:
            share = float((picture.alpha < 1).float().mean())
            words = f"{share:.0%} of it is transparent; hidden pixels get the colours around them"
            problems.append(Problem("transparent", path, words))
        problems += _look(path, pixels, min_side)
        first, second = _both(pixels)
        for other, fingerprint in seen:
            if min(hash_distance(one, fingerprint) for one in (first, second)) <= HASH_BITS:
                problems.append(Problem("duplicate", path, f"shows the same as {other}"))
                break
        for other, fingerprint in known:
            if hash_distance(first, fingerprint) <= HASH_BITS:
                words = f"shows the same as the benchmark image {other}"
                problems.append(Problem("benchmark", path, words, serious=True))
                break
        seen.append((path, first))
    return problems


def report(problems: Iterable[Problem]) -> str:
    """Lists problems as text, grouped by kind."""
    groups = defaultdict(list)
    for problem in problems:
        groups[problem.kind].append(problem)
    if not groups:
        return "no problems found"
    lines = []
    for kind, found in groups.items():
        lines.append(f"{kind} ({len(found)}{', must be removed' if found[0].serious else ''}):")
        lines += [f"  {problem.path}: {problem.words}" for problem in found]
    return "\n".join(lines)


def _look(path: Path, pixels: np.ndarray, min_side: int) -> Iterator[Problem]:
    height, width = pixels.shape[:2]
    if min(height, width) < min_side:
        yield Problem("tiny", path, f"{width}x{height} px, crops need {min_side} px")
    if min(height, width) < 64:
        return
    grey = torch.from_numpy(pixels.copy()).float().mean(2)
    if (blocks := blockiness(grey)) > _MAX_BLOCKS:
        yield Problem("blocks", path, f"JPEG blocks (edges on the 8 px grid x{blocks:.2f})")
    if (noise := noise_sigma(torch.from_numpy(pixels[..., 1].copy()).float())) > _MAX_NOISE:
        yield Problem("noise", path, f"noise of about {noise:.1f}/255")
    if (detail := finest_detail(grey)) < _MIN_DETAIL:
        words = f"no fine detail ({detail:.2f}): blurred or enlarged; downscaling it helps"
        yield Problem("blur", path, words)


def blockiness(grey: Tensor) -> float:
    """Strength of steps across the 8-pixel grid relative to other steps; 1 without JPEG.

    Args:
        grey: Image (H, W), 0-255.
    """
    ratios = []
    for image in (grey, grey.T):
        steps = (image[:, 1:] - image[:, :-1]).abs()
        # Block edges exceed their neighbours at one of eight phases.
        excess = steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2
        level = steps.mean().clamp(min=0.1)
        columns = excess.mean(0) / level
        phases = torch.stack([columns[phase::8].mean() for phase in range(8)])
        first, second = phases.topk(2).values.tolist()
        ratios.append(1 + first - second)
    return sum(ratios) / 2


def noise_sigma(plane: Tensor) -> float:
    """Noise standard deviation of (H, W), 0-255, by the median of the finest diagonal wavelets."""
    h, w = (n // 2 * 2 for n in plane.shape)
    a, b, c, d = (plane[y:h:2, x:w:2] for y in (0, 1) for x in (0, 1))
    return ((a - b - c + d) / 2).abs().median().item() / 0.6745


def finest_detail(grey: Tensor) -> float:
    """Contrast of (H, W) in the finest octave over that in the next; near 0 after enlarging."""
    h, w = (n // 4 * 4 for n in grey.shape)
    image = grey[None, None, :h, :w]
    halves = [image]
    for _ in range(2):
        small = F.interpolate(halves[-1], scale_factor=0.5, mode="bicubic", antialias=True)
        halves.append(small)
    bands = []
    for large, small in itertools.pairwise(halves):
        band = large - F.interpolate(small, scale_factor=2.0, mode="bicubic")
        bands.append(band.std().item())
    return bands[0] / max(bands[1], 1e-3)


def _both(pixels: np.ndarray) -> tuple[int, int]:
    """Perceptual hashes of an image and of its mirror image."""
    return perceptual_hash(pixels), perceptual_hash(pixels[:, ::-1].copy())


def perceptual_hash(pixels: np.ndarray) -> int:
    """Hash of 63 bits, stable under scaling and mild degradation: signs of low DCT coefficients.

    Args:
        pixels: Image (H, W, 3), uint8.
    """
    grey = torch.from_numpy(pixels.copy()).float().mean(2)[None, None]
    small = F.interpolate(grey, size=(32, 32), mode="bilinear", antialias=True)[0, 0].double()
    n = torch.arange(32, dtype=torch.float64)
    dct = torch.cos(torch.pi / 32 * (n + 0.5) * n[:8, None])
    low = (dct @ small @ dct.T).flatten()[1:]
    bits = (low > low.median()).tolist()
    return sum(1 << position for position, bit in enumerate(bits) if bit)


def hash_distance(a: int, b: int) -> int:
    """Number of bits in which two perceptual hashes differ."""
    return bin(a ^ b).count("1")
