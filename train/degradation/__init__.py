"""Degradations: `sample` draws parameters, `apply` makes LQ images; see `build_degradation`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from train.degradation.classic import ClassicDegradation
from train.degradation.general import GeneralDegradation
from train.degradation.realworld import RealWorldDegradation

if TYPE_CHECKING:
    from train.recipes.options import DegradationOptions


class Degradation(Protocol):
    """A pipeline from GT to LQ images."""

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> Any:
        """Draws the parameters of the given samples of a step."""
        ...

    def apply(self, gt: Tensor, parameters: Any) -> Tensor:
        """(B, 3, sH, sW) in [0, 1] -> (B, 3, H, W) in [0, 1]."""
        ...


def build_degradation(options: "DegradationOptions", scale: int) -> Degradation:
    """The pipeline that the options name."""
    if options.kind == "classic":
        return ClassicDegradation(options.classic, scale)
    if options.kind == "realworld":
        return RealWorldDegradation(options.realworld, scale)
    return GeneralDegradation(options.general, scale)
