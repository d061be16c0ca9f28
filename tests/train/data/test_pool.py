from collections import Counter

import pytest
import torch

from tests.support.train_runs import PHOTOS
from train.data.cache import open_cache
from train.data.crops import CropSampler
from train.data.pool import Label, PairPool
from train.data.sources import SyntheticPairs
from train.degradation.pipelines import DegradationOptions

CPU = torch.device("cpu")
SAMPLES = [0, 1, 2, 3, 4]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> CropSampler:
    return CropSampler(open_cache(PHOTOS, tmp_path_factory.mktemp("cache")), seed=3)


def make(crops: CropSampler, uses: int, depth: int = 4, label: Label | None = None) -> PairPool:
    general = DegradationOptions(kind="general").build(4)
    return PairPool(SyntheticPairs(crops, general, 3, CPU), 3, uses, depth, label)


def test_without_reuse_every_pair_is_made_for_its_step(crops: CropSampler) -> None:
    pool = make(crops, uses=1)
    for step in (0, 7):
        lq, gt = pool.batch(step, SAMPLES, 32)
        assert torch.equal(gt, crops.batch(step, SAMPLES, 32, CPU))
        general = DegradationOptions(kind="general").build(4)
        assert torch.equal(lq, general.apply(gt, general.sample(3, step, SAMPLES)))


@pytest.mark.parametrize("uses", [2, 3, 5])
def test_a_pair_is_used_as_often_as_asked_for_and_soon_enough(
    crops: CropSampler, uses: int
) -> None:
    pool = make(crops, uses)
    sources = {(step, s): pool.source(step, s) for step in range(400) for s in SAMPLES}
    fresh = Counter(step for (step, _), source in sources.items() if source == step)
    for (step, sample), source in sources.items():
        assert step - uses * pool.depth < source <= step
        assert sources[source, sample] == source, "only what was made can be drawn"
    counts = Counter((source, s) for (_, s), source in sources.items())
    assert sum(counts.values()) / len(counts) == pytest.approx(uses, rel=0.05)
    # Every later batch has fresh pairs, about a share of 1 / uses.
    assert {fresh[step] for step in range(uses, 400)} <= {len(SAMPLES) // uses, -(-5 // uses)}


def test_a_resumed_run_gets_the_same_pairs(crops: CropSampler) -> None:
    running, resumed = make(crops, uses=3), make(crops, uses=3)
    for step in range(40):
        expected = running.batch(step, SAMPLES, 32 if step < 20 else 48)
        if step in (15, 22, 30, 39):
            actual = resumed.batch(step, SAMPLES, 32 if step < 20 else 48)
            assert all(map(torch.equal, expected, actual)), step


def test_labels_are_computed_once_for_each_pair_and_stay_with_it(crops: CropSampler) -> None:
    seen: list[int] = []

    def label(lq: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
        seen.append(len(gt))
        return torch.stack((lq.mean((1, 2, 3)), gt.mean((1, 2, 3))), dim=1)

    pool = make(crops, uses=3, label=label)
    for step in range(31):
        lq, gt, labels = pool.batch(step, SAMPLES, 32)
        expected = torch.stack((lq.mean((1, 2, 3)), gt.mean((1, 2, 3))), dim=1)
        torch.testing.assert_close(labels, expected)
    fresh = {(pool.source(step, s), s) for step in range(31) for s in SAMPLES}
    assert len(fresh) <= sum(seen) <= len(fresh) + len(SAMPLES) < 31 * len(SAMPLES) / 2


def test_no_more_is_kept_than_can_be_drawn(crops: CropSampler) -> None:
    pool = make(crops, uses=2, depth=3)
    for step in range(30):
        pool.batch(step, SAMPLES, 32)
    assert len(pool._made) <= 2 * 3
