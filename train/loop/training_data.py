"""Images of a run: photographs and pairs, for training and held out for validation."""

from dataclasses import dataclass, replace

import torch

from train.data.cache import ImageCache, open_cache
from train.data.crops import CropSampler
from train.data.image_files import held_out_names
from train.data.real_pairs import PairCache, open_pairs
from train.data.sources import MixedPairs, PairSource, RealPairs, SyntheticPairs
from train.data.teaching import Teaching, is_import_path, load_upscaler
from train.recipes.options import TrainOptions


@dataclass(frozen=True)
class TrainingData:
    """Photographs and pairs, each split into images for training and for validation.

    Attributes:
        photographs: Photographs for synthetic pairs.
        held_out: Photographs for validation.
        pairs: The user's pairs for training; None without `lq`.
        held_out_pairs: The user's pairs for validation; None without `lq`.
        small: Names of images left out, as they are smaller than a crop.
    """

    photographs: ImageCache
    held_out: ImageCache
    pairs: PairCache | None = None
    held_out_pairs: PairCache | None = None
    small: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Hash of all images."""
        pairs = f"+{self.pairs.fingerprint}" if self.pairs is not None else ""
        return self.photographs.fingerprint + pairs

    def on(self, device: torch.device) -> "TrainingData":
        """A copy with the training images on a GPU, if they fit."""
        pairs = self.pairs.on(device) if self.pairs is not None else None
        return replace(self, photographs=self.photographs.on(device), pairs=pairs)


def open_data(options: TrainOptions) -> TrainingData:
    """Opens the caches of photographs and pairs, and holds some out for validation.

    A picture held out of the photographs is also held out of the pairs, and the other way round.

    Raises:
        DataError: If there are no images, or one cannot be used.
    """
    cache, pairing = options.cache.expanduser(), options.pairing()
    if pairing is None:
        photographs, held_out = open_cache(options.source(), cache).split(options.hold_out)
        photographs, small = photographs.at_least(options.largest_crop)
        return TrainingData(photographs, held_out, small=tuple(small))
    pairs = open_pairs(pairing, options.scale, cache)
    photographs = pairs.gt if options.data is None else open_cache(options.source(), cache)
    held = held_out_names([entry.name for entry in photographs.index], options.hold_out)
    held |= held_out_names(sorted(set(pairs.names)), options.hold_out)
    photographs, held_out = photographs.parted(held)
    pairs, held_out_pairs = pairs.parted(held)
    photographs, small = photographs.at_least(options.largest_crop)
    pairs, small_pairs = pairs.at_least(options.largest_crop)
    left_out = tuple(sorted({*small, *small_pairs}))
    return TrainingData(photographs, held_out, pairs, held_out_pairs, left_out)


def pair_source(
    options: TrainOptions, pairs: PairCache | None, crops: CropSampler, device: torch.device
) -> PairSource:
    """Makes the source of a run's training pairs.

    Args:
        options: Options of the run.
        pairs: The user's pairs, or None.
        crops: Source of photograph crops, for synthetic pairs.
        device: Device of the pairs.
    """
    degradation, seed = options.degradation.build(options.scale), options.seed
    teaching = _teaching(options, pairs)
    synthetic = SyntheticPairs(crops, degradation, seed, device, teaching)
    if pairs is None:
        return synthetic
    real = RealPairs(pairs, seed, device, teaching)
    return MixedPairs(synthetic, real, options.lq_share, seed)


def _teaching(options: TrainOptions, pairs: PairCache | None) -> Teaching | None:
    name = options.teacher_images
    if name is not None and is_import_path(name):
        return Teaching(load_upscaler(name), options.teacher_blur)
    if pairs is None or pairs.teacher is None:
        return None
    return Teaching(sigma=options.teacher_blur)
