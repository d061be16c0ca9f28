"""The degradations that a recipe can name. Another one is a file beside this and a field here."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.classic import ClassicOptions
from train.degradation.general import GeneralOptions
from train.degradation.realworld import RealWorldOptions


class Degradation(Protocol):
    """A pipeline from GT to LQ images; its options are a dataclass with `build(scale)`."""

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> Any:
        """Draws the parameters of the given samples of a step."""
        ...

    def apply(self, gt: Tensor, parameters: Any) -> Tensor:
        """(B, 3, sH, sW) in [0, 1] -> (B, 3, H, W) in [0, 1]."""
        ...

    def describe(self, parameters: Any) -> list[str]:
        """What was drawn for each sample, in words."""
        ...


@dataclass(frozen=True)
class DegradationOptions:
    """How LQ images are made from photographs."""

    kind: str = "general"
    """The pipeline: the name of one of the fields below."""
    classic: ClassicOptions = field(default_factory=ClassicOptions)
    """Ranges of the classic pipeline."""
    general: GeneralOptions = field(default_factory=GeneralOptions)
    """Ranges of the general pipeline."""
    realworld: RealWorldOptions = field(default_factory=RealWorldOptions)
    """Ranges of Real-ESRGAN's second-order pipeline."""

    def __post_init__(self) -> None:
        if self.kind not in self.kinds():
            raise ConfigError(
                f"degradation.kind must be one of {', '.join(self.kinds())}, got {self.kind!r}"
            )

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Names of the pipelines."""
        return tuple(f.name for f in fields(cls) if f.name != "kind")

    def build(self, scale: int) -> Degradation:
        """The pipeline that was chosen, for a downscaling factor."""
        return getattr(self, self.kind).build(scale)
