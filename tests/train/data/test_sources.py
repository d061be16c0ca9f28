from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.pairs import make_pairs, photo, shrunk
from train.data import pair_check
from train.data.cache import open_cache
from train.data.crops import CropSampler
from train.data.image_files import read_rgb
from train.data.pairing import find_pairs
from train.data.real_pairs import PairCache, open_pairs
from train.data.sources import MixedPairs, RealPairs, SyntheticPairs
from train.degradation.pipelines import DegradationOptions
from train.errors import DataError

CPU = torch.device("cpu")
SAMPLES = list(range(12))
Folders = tuple[Path, Path, Path]
"""Of ground truths, of LQ images, and of caches."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    folder = tmp_path_factory.mktemp("pairs")
    return (*make_pairs(folder), folder / "cache")


@pytest.fixture(scope="module")
def pairs(folders: Folders) -> PairCache:
    gt, lq, cache = folders
    return open_pairs(find_pairs(gt, lq), 4, cache)


def test_the_caches_hold_both_sides_in_step(folders: Folders, pairs: PairCache) -> None:
    gt, lq, _ = folders
    assert pairs.names == ("0.png", "1.png", "2.png")
    for i in range(3):
        assert np.array_equal(pairs.gt.image(i).numpy(), read_rgb(gt / f"{i}.png"))
        assert np.array_equal(pairs.lq.image(i).numpy(), read_rgb(lq / f"{i}.webp"))


def test_pairs_are_checked_and_decoded_once_and_again_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gt, lq = make_pairs(tmp_path, count=2)
    first = open_pairs(find_pairs(gt, lq), 4, tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(pair_check, "read_rgb", None)
        patched.setattr("train.data.cache.read_rgb", None)
        again = open_pairs(find_pairs(gt, lq), 4, tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    Image.new("RGB", (16, 16)).save(lq / "1.webp")
    with pytest.raises(DataError, match=r"1 problems of the pairs: size: .*1\.webp"):
        open_pairs(find_pairs(gt, lq), 4, tmp_path / "cache")


def test_16_bit_pairs_keep_their_range(tmp_path: Path) -> None:
    """Deep grey images reach 65535; read as 8 bit they would be white above 255."""
    for name, side in (("GT", 64), ("LQ", 16)):
        (tmp_path / name).mkdir()
        ramp = np.linspace(0, 65535, side).astype(np.uint16)
        Image.fromarray(np.add.outer(ramp // 2, ramp // 2)).save(tmp_path / name / "a.png")
    pairs = open_pairs(find_pairs(tmp_path / "GT", tmp_path / "LQ"), 4, tmp_path / "cache")
    for side in (pairs.lq, pairs.gt):
        values = side.image(0)
        assert (values.min(), values.max()) == (0, 255)
        assert values.unique().numel() >= 30


def test_the_photographs_keep_their_names_whoever_decoded_them_first(
    folders: Folders, pairs: PairCache
) -> None:
    gt, _, cache = folders
    deep = open_cache(gt, cache)
    assert deep.data.numel() == pairs.gt.data.numel()
    assert [entry.name for entry in deep.index] == ["0.png", "1.png", "2.png"]


def test_lq_and_gt_are_cut_turned_and_mirrored_alike(pairs: PairCache) -> None:
    source = RealPairs(pairs, seed=3, device=CPU)
    lq, gt = source.make(0, range(40), 64)
    assert (lq.shape, gt.shape) == ((40, 3, 16, 16), (40, 3, 64, 64))
    small = torch.nn.functional.avg_pool2d(gt, 4)
    assert (lq - small).abs().mean() < 0.06  # the noise of the pairs, no more
    turned = torch.rot90(small, 1, (2, 3))
    assert (lq - turned).abs().mean() > 0.1


def test_real_pairs_depend_on_seed_step_and_sample_alone(pairs: PairCache) -> None:
    source = RealPairs(pairs, seed=3, device=CPU)
    lq, gt = source.make(5, SAMPLES, 32)
    alone = RealPairs(pairs, seed=3, device=CPU).make(5, [7, 2], 32)
    assert torch.equal(alone[0], lq[[7, 2]])
    assert torch.equal(alone[1], gt[[7, 2]])
    assert not torch.equal(source.make(6, SAMPLES, 32)[1], gt)
    assert not torch.equal(RealPairs(pairs, seed=4, device=CPU).make(5, SAMPLES, 32)[1], gt)


def test_a_mix_takes_each_kind_as_if_the_other_were_not_there(
    folders: Folders, pairs: PairCache
) -> None:
    crops = CropSampler(open_cache(folders[0], folders[2]), 3)
    general = DegradationOptions(kind="general").build(4)
    synthetic, real = SyntheticPairs(crops, general, 3, CPU), RealPairs(pairs, 3, CPU)
    mixed = MixedPairs(synthetic, real, 0.25, 3)
    count = 0
    for step in range(40):
        lq, gt = mixed.make(step, SAMPLES, 32)
        words = mixed.describe(step, SAMPLES, 32)
        for sample in SAMPLES:
            is_real = words[sample].startswith("pair ")
            count += is_real
            if step < 4:
                expected = (real if is_real else synthetic).make(step, [sample], 32)
                assert torch.equal(gt[sample], expected[1][0])
                assert torch.allclose(lq[sample], expected[0][0], atol=1 / 255)
    assert 80 < count < 160  # a quarter of 480
    everything = MixedPairs(synthetic, real, 1.0, 3).describe(0, SAMPLES, 32)
    assert all(words.startswith("pair ") for words in everything)
    nothing = MixedPairs(synthetic, real, 0.0, 3).describe(0, SAMPLES, 32)
    assert nothing == synthetic.describe(0, SAMPLES, 32)


def test_held_out_pairs_are_parted_by_the_names_of_their_ground_truths(pairs: PairCache) -> None:
    kept, held = pairs.parted({"1.png"})
    assert (kept.names, held.names) == (("0.png", "2.png"), ("1.png",))
    assert torch.equal(held.lq.image(0), pairs.lq.image(1))
    assert kept.fingerprint != pairs.fingerprint


def test_pairs_that_are_smaller_than_a_crop_are_left_out(tmp_path: Path) -> None:
    gt, lq = make_pairs(tmp_path, count=1)
    photo(1).crop((0, 0, 320, 96)).save(gt / "flat.png")
    shrunk(photo(1).crop((0, 0, 320, 96)), 4).save(lq / "flat.png")
    pairs = open_pairs(find_pairs(gt, lq), 4, tmp_path / "cache")
    usable, small = pairs.at_least(128)
    assert (usable.names, small) == (("0.png",), ["flat.png"])
    with pytest.raises(DataError, match=r"smaller than the crop .*--patch"):
        pairs.at_least(10_000)
