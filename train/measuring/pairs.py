"""Pairs of degraded images and ground truths, to measure models on."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from einops import rearrange
from PIL import Image
from torch import Tensor

from kdsr.atomic import writing
from kdsr.pixels import to_bytes
from train.data.image_files import find_images, held_out_names, load_image
from train.errors import DataError
from train.measuring.protocols import Case


@dataclass(frozen=True)
class Pair:
    """A degraded image and its ground truth, (1, 3, H, W) and (1, 3, sH, sW) in [0, 1]."""

    image: str
    case: str
    lq: Tensor
    gt: Tensor


def degraded_pairs(
    folder: Path, cases: Sequence[Case], scale: int, hold_out: int = 0
) -> Iterator[Pair]:
    """Yields every image of a folder under every case, image by image.

    Args:
        folder: Folder of GT images.
        cases: Degradations; see `protocol`.
        scale: Downscaling factor.
        hold_out: Use only the images that a training with this `--hold_out` keeps aside; 0 for all.
    """
    paths = find_images(folder)
    if hold_out:
        kept = held_out_names([os.path.relpath(path, folder) for path in paths], hold_out)
        paths = [path for path in paths if os.path.relpath(path, folder) in kept]
    for index, path in enumerate(paths):
        gt = load_image(path)
        height, width = (n // scale * scale for n in gt.shape[2:])
        gt = gt[:, :, :height, :width]
        for case in cases:
            yield Pair(path.name, case.name, case.degrade(gt, index), gt)


def real_pairs(gt_folder: Path, lq_folder: Path, scale: int) -> Iterator[Pair]:
    """Yields the pairs of two folders with equal file names.

    Raises:
        DataError: If an LQ image is missing or has a wrong size.
    """
    for path in find_images(gt_folder):
        partner = lq_folder / path.name
        if not partner.is_file():
            raise DataError(f"{path.name} has no LQ partner in {lq_folder}")
        gt, lq = load_image(path), load_image(partner)
        if (lq.shape[2] * scale, lq.shape[3] * scale) != tuple(gt.shape[2:]):
            raise DataError(
                f"{path.name}: GT is {gt.shape[3]}x{gt.shape[2]}, LQ {lq.shape[3]}x{lq.shape[2]}; "
                f"expected a factor of {scale}"
            )
        yield Pair(path.name, "pair", lq, gt)


def save_pairs(pairs: Iterable[Pair], folder: Path) -> int:
    """Writes pairs into `folder`/gt and `folder`/lq, as input for other programs.

    Args:
        pairs: Pairs to write, as 8-bit PNG.
        folder: Folder of the pairs; created if absent, and files in it are replaced.

    Returns:
        The number of pairs.
    """
    count = 0
    for count, pair in enumerate(pairs, 1):  # noqa: B007 - the count is returned
        name = f"{Path(pair.image).stem}-{pair.case.replace(' ', '-')}.png"
        for kind, image in (("gt", pair.gt), ("lq", pair.lq)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            pixels = to_bytes(image[0])
            with writing(folder / kind / name) as temporary:
                Image.fromarray(rearrange(pixels, "c h w -> h w c").numpy()).save(temporary, "PNG")
    return count


def made_images(pairs: Iterable[Pair], folder: Path) -> Iterator[tuple[Pair, Tensor]]:
    """Yields pairs with another program's results for them, found by file name.

    Raises:
        DataError: If a result is missing or differs in size from the GT.
    """
    for pair in pairs:
        path = folder / pair.image
        if not path.is_file():
            raise DataError(f"{pair.image} is missing in {folder}")
        image = load_image(path)
        if image.shape != pair.gt.shape:
            raise DataError(
                f"{path} is {image.shape[3]}x{image.shape[2]}, expected the size of its GT, "
                f"{pair.gt.shape[3]}x{pair.gt.shape[2]}"
            )
        yield pair, image
