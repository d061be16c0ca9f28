from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.pipelines import DegradationOptions


@dataclass(frozen=True)
class PixelsOptions:
    """What a new file would hold."""

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
    """What one more field makes of the options."""

    pixels: PixelsOptions = field(default_factory=PixelsOptions)


def test_another_degradation_is_a_file_and_a_field() -> None:
    degradation = WithPixels(kind="pixels", pixels=PixelsOptions(0.25)).build(2)
    lq = degradation.apply(torch.ones(3, 3, 8, 8), degradation.sample(0, 0, range(3)))
    assert torch.equal(lq, torch.full((3, 3, 4, 4), 0.25))


def test_an_unknown_degradation_is_refused_with_all_names() -> None:
    with pytest.raises(ConfigError, match="one of classic, general, realworld, got 'pixels'"):
        DegradationOptions(kind="pixels")
