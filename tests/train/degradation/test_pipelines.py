from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.draws import MIX, generator
from train.degradation.pipelines import DegradationOptions


@dataclass(frozen=True)
class PixelsOptions:
    """Options as a new file in train/degradation would define them."""

    value: float = 0.5

    def build(self, scale: int) -> "PixelsDegradation":
        return PixelsDegradation(self, scale)


@dataclass(frozen=True)
class PixelsDegradation:
    options: PixelsOptions
    scale: int

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> int:
        return len(samples)

    def apply(self, gt: Tensor, parameters: int) -> Tensor:
        return gt[:, :, :: self.scale, :: self.scale] * self.options.value


@dataclass(frozen=True)
class WithPixels(DegradationOptions):
    """The options with one more field."""

    pixels: PixelsOptions = field(default_factory=PixelsOptions)


def test_another_degradation_is_a_file_and_a_field() -> None:
    degradation = WithPixels(kind="pixels", pixels=PixelsOptions(0.25)).build(2)
    lq = degradation.apply(torch.ones(3, 3, 8, 8), degradation.sample(0, 0, range(3)))
    assert torch.equal(lq, torch.full((3, 3, 4, 4), 0.25))


@pytest.mark.parametrize("kind", ["general", "classic"])
def test_a_mix_makes_each_sample_as_its_pipeline_would_alone(kind: str) -> None:
    options = DegradationOptions(kind=kind, realworld_share=0.25)
    mixed, parts = options.build(4), [options.alone(k).build(4) for k in (kind, "realworld")]
    gt = torch.rand(12, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    drawn = mixed.sample(3, 7, range(12))
    lq, words = mixed.apply(gt, drawn), mixed.describe(drawn)
    seconds = [word.startswith("1: ") for word in words]
    assert 0 < sum(seconds) < 12
    for row, second in enumerate(seconds):
        alone = parts[second].sample(3, 7, [row])
        assert [words[row]] == parts[second].describe(alone)
        expected = parts[second].apply(gt[row : row + 1], alone)[0]
        torch.testing.assert_close(lq[row], expected, atol=1.01 / 255, rtol=0)
        assert (lq[row] != expected).float().mean() < 0.01


def test_the_share_of_a_mix_is_kept_and_samples_may_repeat() -> None:
    options = DegradationOptions(realworld_share=0.25)
    mixed = options.build(4)
    drawn = [mixed.sample(0, step, range(50)) for step in range(20)]
    assert 200 < sum(len(each.rows[1]) for each in drawn) < 300  # of 1000
    words = mixed.describe(mixed.sample(0, 0, [4, 4, 4]))
    assert len(words) == 3
    assert len(set(words)) == 1
    everything = DegradationOptions(realworld_share=1.0).build(4).sample(0, 0, range(9))
    assert everything.rows == ((), tuple(range(9)))


def test_a_mix_draws_apart_from_real_pairs_that_are_mixed_in() -> None:
    """Were both decided by the same number, synthetic samples would all be of one pipeline."""
    mixed = DegradationOptions(realworld_share=0.5).build(4)
    synthetic = [s for s in range(400) if generator(0, 0, s, MIX).random() >= 0.5]
    drawn = mixed.sample(0, 0, synthetic)
    assert 0.35 < len(drawn.rows[1]) / len(synthetic) < 0.65


def test_shares_that_mix_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"degradation: realworld_share must be 0 to 1, got 1\.5"):
        DegradationOptions(realworld_share=1.5)
    with pytest.raises(ConfigError, match=r"degradation\.kind is realworld; choose general"):
        DegradationOptions(kind="realworld", realworld_share=0.5)


def test_an_unknown_degradation_is_refused_with_all_names() -> None:
    with pytest.raises(ConfigError, match="one of classic, general, realworld, got 'pixels'"):
        DegradationOptions(kind="pixels")
